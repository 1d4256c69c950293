"""A daemon without deadlines, but for those that a test is about."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from support.daemon import Calcd

NONE = (
    "FirstByteTimeout=infinity\nFrameTimeout=infinity\nIdleTimeout=infinity\nSendTimeout=infinity\n"
    "ConnectionLifetime=infinity\n"
)


@contextlib.contextmanager
def calcd_with(folder: Path, settings: str, *expected: str) -> Iterator[Calcd]:
    """No deadline but those in settings. expected is for Calcd.expected."""
    daemon = Calcd(folder)
    daemon.config.write_text(f"[calcd]\n{NONE}{settings}\n")
    daemon.expected += expected
    with daemon:
        yield daemon
