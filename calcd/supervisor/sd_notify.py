"""Tells systemd about calcd's state: sd_notify(3). It does nothing if systemd did not start calcd."""

import contextlib
import os
import select
import socket
import time

from systemd import daemon

# Seconds. systemd that loads its units anew takes a few, and more on a busy machine.
_LONGEST_READING = 30


def tell(*assignments: str) -> None:
    # An error is ignored: while systemd re-executes itself, nobody listens.
    with contextlib.suppress(OSError):
        daemon.notify("\n".join(assignments))


def ready(status: str) -> None:
    tell("READY=1", f"STATUS={status}")


def reloading() -> None:
    """Tells of a reload. By the time in the message, systemd knows that the next READY=1 is later (systemd
    253 and later)."""
    tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def wait_until_read() -> None:
    """Returns once systemd has acted on all that it was told: sd_notify_barrier(3), systemd 246 and later.

    python-systemd has no function for it. Waits for 30 seconds at most.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs, contextlib.suppress(OSError):
            daemon.notify("BARRIER=1", fds=[theirs.fileno()])
        select.select([ours], [], [], _LONGEST_READING)  # for the end of theirs, which systemd has too


def watchdog_interval() -> float | None:
    """Returns the seconds between two WATCHDOG=1, or None if systemd wants none: sd_watchdog_enabled(3).

    This is a tenth of the time that systemd allows, so that a listener that hangs is found and replaced in
    half of that time. Call it before the first fork, because WATCHDOG_PID is the launcher.
    """
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "0")
    return int(microseconds) / 1e7 if microseconds.isdecimal() and int(microseconds) else None
