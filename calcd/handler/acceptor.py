"""How handlers accept connections.

1.  Of those that sleep in accept(2), the kernel wakes one for a connection, however many there are. So where
    there is one socket to listen at, that is where they wait.
2.  Where there are several, they wait in an epoll that all share. It wakes one as well, and the next as soon
    as the first is on its way, in vain as a rule. An epoll for each would have all of them asked for each
    connection, in turn (EPOLLEXCLUSIVE in epoll_ctl(2)).
"""

from __future__ import annotations

import os
from select import EPOLLIN, epoll

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Sequence
    from typing import Any

    # A connection's file descriptor, and what accept(2) says of the peer.
    Accepted = tuple[int, tuple[Any, ...] | str | bytes]


class Acceptor:
    """Made by the listener before its first fork."""

    __slots__ = ("_accept_from", "_epoll", "_sockets", "accept")

    def __init__(self, sockets: Sequence[socket]) -> None:
        """sockets listen."""
        self._sockets = sockets
        self._epoll = epoll()
        # By the file descriptor that is ready. _accept() makes no socket object; typeshed does not know it.
        self._accept_from: dict[int, Callable[[], Accepted]] = {
            listening.fileno(): listening._accept  # type: ignore[attr-defined]
            for listening in sockets
        }
        for fd in self._accept_from:
            self._epoll.register(fd, EPOLLIN)
        # Waits for a connection. Raises OSError when accept(2) fails: BlockingIOError when another handler
        # was faster.
        self.accept = self.accept_when_ready if len(sockets) > 1 else self._accept_from[sockets[0].fileno()]

    def prepare(self) -> None:
        """To be called before the first handler accepts, and no sooner: whether accept(2) waits is a matter
        of the sockets, and so that of the handlers of the listener before this one as well. Where it no
        longer does, they use accept_when_ready()."""
        for listening in self._sockets:
            listening.setblocking(len(self._sockets) == 1)

    def accept_when_ready(self) -> Accepted:
        ((ready, _),) = self._epoll.poll(None, 1)
        return self._accept_from[ready]()

    def has_waiting(self) -> bool:
        """Whether connections wait."""
        return bool(self._epoll.poll(0, 1))

    def files(self) -> list[int]:
        """What accepting takes: a handler that has closed these will not, however it is talked into it."""
        return [self._epoll.fileno(), *self._accept_from]

    def close(self) -> None:
        os.close(self._epoll.fileno())
