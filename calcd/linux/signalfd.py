"""Signals as readable bytes: signalfd(2), which Python does not have.

The listener keeps its signals blocked for ever. So a fork inherits neither a wakeup file descriptor that
it would have to give up nor a moment in which a signal to the child is taken for the parent's, and the
two system calls that blocking around each fork would take are saved.
"""

from __future__ import annotations

import os
from struct import Struct

from calcd.linux import signals
from calcd.linux.libc import check, libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SIGINFO = Struct("@I8xI112x")  # struct signalfd_siginfo: the signal's number, and who sent it


def open_signalfd(numbers: Iterable[int]) -> int:
    """Blocks these signals, and no others; returns a non-blocking file descriptor for read_signals().

    Raises OSError.
    """
    signals.block_only(numbers)
    return check("signalfd", libc.signalfd(-1, signals.set_of(numbers), os.O_NONBLOCK | os.O_CLOEXEC))


def read_signals(fd: int) -> Iterable[tuple[int, int]]:
    """The signals that have arrived, each with the PID that it is from: called when the file descriptor is
    readable."""
    return _SIGINFO.iter_unpack(os.read(fd, _SIGINFO.size * 4))
