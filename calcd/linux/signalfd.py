"""Reads signals from a file descriptor: signalfd(2), which Python does not have.

The listener always keeps its signals blocked. So a fork inherits no wakeup file descriptor that it would have
to close. No signal to the child can be taken for one to the parent. And the two system calls to block signals
around each fork are saved.
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
    """Blocks these signals, and no others. Returns a non-blocking file descriptor for read_signals().

    Raises OSError.
    """
    signals.block_only(numbers)
    return check("signalfd", libc.signalfd(-1, signals.set_of(numbers), os.O_NONBLOCK | os.O_CLOEXEC))


def read_signals(fd: int) -> Iterable[tuple[int, int]]:
    """Returns the number and the sender's PID of signals that have arrived. Call it when the file descriptor
    is readable."""
    return _SIGINFO.iter_unpack(os.read(fd, _SIGINFO.size * 4))
