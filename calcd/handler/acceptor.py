"""Where handlers wait for connections: all those of a listener, in one epoll.

1.  Of those that wait, the kernel wakes one for a connection, and an epoll that all share makes a connection
    cost the same however many handlers are at work: each one's own would be asked in turn (EPOLLEXCLUSIVE in
    epoll_ctl(2)).
2.  The listener sends handlers away by a pipe in the same epoll, a byte for each: so one that is away has
    never just accepted a connection, as it might have when a signal came. The end of the pipe sends all of
    them away, also that of a listener that was killed.
"""

from __future__ import annotations

import os
from select import EPOLLIN, epoll

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Sequence
    from typing import Any

    Address = tuple[Any, ...] | str | bytes

# As many as there can be events that concern a handler: it takes one connection. Python's own choice, 1,023,
# takes a buffer of three pages.
_EVENTS = 2


class Leave(Exception):  # noqa: N818 - it is no error
    """The handler is to end instead of waiting for another connection."""


class Acceptor:
    """Made by the listener before its first fork."""

    __slots__ = ("_accept", "_dismissals", "_epoll", "_is_waiting", "_poll", "_writing_end")

    def __init__(self, sockets: Sequence[socket]) -> None:
        """sockets listen."""
        self._dismissals, self._writing_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._epoll = epoll()
        self._poll = self._epoll.poll
        self._epoll.register(self._dismissals, EPOLLIN)
        # By the socket's file descriptor. _accept() makes no socket object; typeshed does not know it.
        self._accept: dict[int, Callable[[], tuple[int, Address]]] = {
            listening.fileno(): listening._accept  # type: ignore[attr-defined]
            for listening in sockets
        }
        self._is_waiting = False
        for listening in sockets:
            listening.setblocking(False)
            self._epoll.register(listening.fileno(), EPOLLIN)

    # In a handler ---------------------------------------------------------------------------------

    def accept(self) -> tuple[int, Address]:
        """Waits for a connection; returns its file descriptor, and what accept(2) says of the peer.

        Raises Leave, and OSError when accept(2) fails; BlockingIOError when another handler was faster.
        """
        self._is_waiting = True
        poll = self._poll  # in two steps: else the interpreter looks for a method first, in other memory
        events = poll(None, _EVENTS)
        self._is_waiting = False
        for fd, _ in events:
            if fd == self._dismissals:
                self._look_whether_to_leave()
            else:
                ready = fd
        return self._accept[ready]()

    def _look_whether_to_leave(self) -> None:
        os.read(self._dismissals, 1)  # BlockingIOError: another handler was faster
        raise Leave

    def interrupt(self) -> None:
        """Called by a signal's handler: raises Leave if that has interrupted the wait."""
        if self._is_waiting:
            self._is_waiting = False  # once: the next signal may find the exception on its way
            raise Leave

    # In the listener ------------------------------------------------------------------------------

    def files(self) -> list[int]:
        """What accepting takes: a handler that has closed these will not, however it is talked into it."""
        return [self._epoll.fileno(), self._dismissals, *self._accept]

    def close(self) -> None:
        for fd in (self._epoll.fileno(), self._dismissals, self._writing_end):
            os.close(fd)

    @property
    def not_for_handlers(self) -> int:
        """A file descriptor that a handler must close, or it would never see the end of the pipe."""
        return self._writing_end

    def has_waiting(self) -> bool:
        """Whether connections wait."""
        return any(fd in self._accept for fd, _ in self._poll(0, _EVENTS))

    def dismiss(self, handlers: int) -> None:
        """Sends away so many of those that wait, the next that do included."""
        os.write(self._writing_end, bytes(handlers))

    def dismiss_all(self) -> None:
        """Sends away all of them, and those that are at work when they are done."""
        os.close(self._writing_end)
