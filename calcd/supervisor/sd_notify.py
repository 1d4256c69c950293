"""What systemd is told: sd_notify(3). Nothing happens where systemd did not start calcd."""

import contextlib
import os
import time

from systemd import daemon


def tell(*assignments: str) -> None:
    # While systemd re-executes itself nobody listens, and what is told then would only be repeated.
    with contextlib.suppress(OSError):
        daemon.notify("\n".join(assignments))


def ready(status: str) -> None:
    tell("READY=1", f"STATUS={status}")


def reloading() -> None:
    """Systemd orders this against the READY=1 that follows by the time in it (systemd 253 and later)."""
    tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_interval() -> float | None:
    """Seconds between two WATCHDOG=1, a tenth of what systemd allows: a listener that hangs is found and
    replaced in half of it. None when it wants none.

    sd_watchdog_enabled(3). Called before the first fork: WATCHDOG_PID is the launcher.
    """
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "0")
    return int(microseconds) / 1e7 if microseconds.isdecimal() and int(microseconds) else None
