"""Handles signals: as bytes in a pipe, for a loop that sleeps in epoll, or blocked, or ignored.

1.  With the pipe, signal handlers do nothing: signal(7) restricts what they may do, and Python runs them
    between any two bytecodes. The wakeup file descriptor (signal.set_wakeup_fd) gets the signal's number, and
    the loop acts on it.
2.  The module uses _signal, the C module under signal, because the listener imports it. signal makes an enum
    of every number, which costs a fork 600 KiB of page tables and each call some 25 page faults.
"""

from __future__ import annotations

import _signal
import os
from _signal import (
    SIG_SETMASK,
    SIGALRM,
    SIGCHLD,
    SIGHUP,
    SIGINT,
    SIGKILL,
    SIGQUIT,
    SIGTERM,
    SIGUSR1,
    SIGUSR2,
    SIGXCPU,
)

from calcd.linux.libc import Char, bare_libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

__all__ = [
    "SIGALRM",
    "SIGCHLD",
    "SIGHUP",
    "SIGINT",
    "SIGKILL",
    "SIGQUIT",
    "SIGTERM",
    "SIGUSR1",
    "SIGUSR2",
    "SIGXCPU",
]

# An architecture may lack the last one.
_STRAY = ("SIGQUIT", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR", "SIGSTKFLT")
_SET_SIZE = 128  # sigset_t: bytes, of the C library's on every architecture

bare_sigprocmask = bare_libc.sigprocmask
"""Plain sigprocmask(2), for handlers: Python's pthread_sigmask() makes a set of the old mask."""


class SignalPipe:
    def __init__(self, numbers: Iterable[int]) -> None:
        self.ends = self.reading_end, writing_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # The pipe is full after 65,536 unread signals. To lose more is harmless: the loop checks everything.
        _signal.set_wakeup_fd(writing_end, warn_on_full_buffer=False)
        for number in numbers:
            _signal.signal(number, lambda _signal, _frame: None)

    def read(self) -> bytes:
        """Returns the signals that arrived since the last call, one byte each, in order, with repetitions."""
        try:
            return os.read(self.reading_end, 65536)
        except BlockingIOError:
            return b""


def set_of(numbers: Iterable[int]) -> bytes:
    """Returns a sigset_t with these signals: sigsetops(3). The size and the order of its words are the
    system's."""
    result = (Char * _SET_SIZE)()
    for number in numbers:
        bare_libc.sigaddset(result, number)
    return bytes(result)


def ignore(numbers: Iterable[int]) -> None:
    for number in numbers:
        _signal.signal(number, _signal.SIG_IGN)


def end_at(number: int) -> None:
    """Has the signal end the process."""
    _signal.signal(number, _signal.SIG_DFL)


def ignore_stray() -> None:
    """Ignores the signals that end a process by default, and that mean nothing to calcd: signal(7).

    Not those that the kernel sends for a fault of the process itself, such as SIGSEGV.
    """
    ignore(getattr(_signal, name) for name in _STRAY if hasattr(_signal, name))
    ignore(range(_signal.SIGRTMIN, _signal.SIGRTMAX + 1))


def block_only(numbers: Iterable[int]) -> None:
    _signal.pthread_sigmask(SIG_SETMASK, numbers)


def block(numbers: Iterable[int]) -> None:
    _signal.pthread_sigmask(_signal.SIG_BLOCK, numbers)


def wait_for(numbers: Iterable[int], seconds: float) -> int | None:
    """Waits for one of these signals, which must be blocked. Returns its number, or None after the time."""
    info = _signal.sigtimedwait(numbers, seconds)
    return None if info is None else int(info.si_signo)


def handle(number: int, action: Callable[[int, FrameType | None], None]) -> None:
    _signal.signal(number, action)
