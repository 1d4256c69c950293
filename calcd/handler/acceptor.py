"""How handlers wait for connections and accept them.

1.  For each connection, the kernel wakes one of the processes that sleep in accept(2), however many they are.
    So with one listening socket, the handlers wait in accept(2).
2.  With several sockets, the handlers wait in one epoll that all of them share. It also wakes one handler for
    a connection. As soon as that one returns, it wakes the next, usually in vain. If each handler had an
    epoll of its own, each connection would make the kernel try all of them in turn (EPOLLEXCLUSIVE in
    epoll_ctl(2)).
"""

from __future__ import annotations

import errno
import os
from select import EPOLLIN, epoll

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Sequence
    from typing import Any

    # A connection's file descriptor, and the peer's address from accept(2).
    Accepted = tuple[int, tuple[Any, ...] | str | bytes]

# The errors of accept(2) if the system lacks what it needs.
OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# The errors of accept(2) for a connection that was gone before it could be returned ("Error handling").
CONNECTION_GONE = frozenset(
    {
        *(errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.ENETDOWN, errno.ENOPROTOOPT),
        *(errno.EHOSTDOWN, errno.ENONET, errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH),
    }
)


class Acceptor:
    """Accepts from several listening sockets. The listener makes it before its first fork."""

    __slots__ = ("_accept_from", "_epoll", "_protocols_of", "_sockets", "accept", "protocols")

    def __init__(self, sockets: Sequence[socket], protocols: Sequence[str]) -> None:
        """protocols has a text for each socket, with the names of those that are spoken there."""
        self._sockets = sockets
        self._protocols_of = {
            listening.fileno(): spoken for listening, spoken in zip(sockets, protocols, strict=True)
        }
        self.protocols = protocols[0]  # of the socket that has accepted last
        self._epoll = epoll()
        # By file descriptor. _accept() makes no socket object; typeshed does not know it.
        self._accept_from: dict[int, Callable[[], Accepted]] = {
            listening.fileno(): listening._accept  # type: ignore[attr-defined]
            for listening in sockets
        }
        for fd in self._accept_from:
            self._epoll.register(fd, EPOLLIN)
        # Waits for a connection. Raises OSError if accept(2) fails, and BlockingIOError if another handler
        # was faster, or none has come within the socket's receive timeout.
        self.accept = self.accept_when_ready if len(sockets) > 1 else self._accept_from[sockets[0].fileno()]

    def prepare(self) -> None:
        """Makes accept(2) wait if there is one socket, and not wait if there are several.

        Call it just before the first handler accepts. The setting belongs to the socket, so it changes the
        handlers of the previous listener as well. Where accept(2) no longer waits, these continue with
        accept_when_ready().
        """
        for listening in self._sockets:
            listening.setblocking(len(self._sockets) == 1)

    def accept_when_ready(self) -> Accepted:
        """Waits in the epoll, then accepts. Raises as accept()."""
        ((ready, _),) = self._epoll.poll(None, 1)
        self.protocols = self._protocols_of[ready]
        return self._accept_from[ready]()

    def has_waiting(self) -> bool:
        """Returns whether connections wait in a backlog."""
        return bool(self._epoll.poll(0, 1))

    def files(self) -> list[int]:
        """Returns the file descriptors that accepting needs. A handler that has closed them cannot accept,
        even if it is hijacked."""
        return [self._epoll.fileno(), *self._accept_from]

    def close(self) -> None:
        os.close(self._epoll.fileno())
