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
    from typing import Any, NoReturn

    Address = tuple[Any, ...] | str | bytes

# As many as there can be events that concern a handler: it takes one connection. Python's own choice, 1,023,
# takes a buffer of three pages.
EVENTS = 2


class Leave(Exception):  # noqa: N818 - it is no error
    """The handler is to end instead of waiting for another connection."""


class Acceptor:
    """Made by the listener before its first fork."""

    __slots__ = ("_epoll", "_writing_end", "accept_from", "dismissals", "wait")

    def __init__(self, sockets: Sequence[socket]) -> None:
        """sockets listen."""
        self.dismissals, self._writing_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._epoll = epoll()
        # For handlers, which call no more functions than they must: calcd.handler.process.
        self.wait = self._epoll.poll
        self._epoll.register(self.dismissals, EPOLLIN)
        # By the file descriptor that is ready: what returns a connection's file descriptor, and what
        # accept(2) says of the peer. It raises Leave, and OSError when accept(2) fails; BlockingIOError
        # when another handler was faster. _accept() makes no socket object; typeshed does not know it.
        self.accept_from: dict[int, Callable[[], tuple[int, Address]]] = {
            listening.fileno(): listening._accept  # type: ignore[attr-defined]
            for listening in sockets
        }
        self.accept_from[self.dismissals] = self._look_whether_to_leave
        for listening in sockets:
            listening.setblocking(False)
            self._epoll.register(listening.fileno(), EPOLLIN)

    # In a handler ---------------------------------------------------------------------------------

    def _look_whether_to_leave(self) -> NoReturn:
        os.read(self.dismissals, 1)  # BlockingIOError: another handler was faster
        raise Leave

    # In the listener ------------------------------------------------------------------------------

    def files(self) -> list[int]:
        """What accepting takes: a handler that has closed these will not, however it is talked into it."""
        return [self._epoll.fileno(), *self.accept_from]

    def close(self) -> None:
        for fd in (self._epoll.fileno(), self.dismissals, self._writing_end):
            os.close(fd)

    @property
    def not_for_handlers(self) -> int:
        """A file descriptor that a handler must close, or it would never see the end of the pipe."""
        return self._writing_end

    def has_waiting(self) -> bool:
        """Whether connections wait."""
        return any(fd != self.dismissals for fd, _ in self.wait(0, EVENTS))

    def dismiss(self, handlers: int) -> None:
        """Sends away so many of those that wait, the next that do included."""
        os.write(self._writing_end, bytes(handlers))

    def dismiss_all(self) -> None:
        """Sends away all of them, and those that are at work when they are done."""
        os.close(self._writing_end)
