"""A temporary socket object for a file descriptor.

A connection is a file descriptor in listener and handler, because a socket object costs each fork a dozen
pages of memory. The socket object here is for the rare calls that need one.
"""

from __future__ import annotations

from _socket import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class SocketView:
    """A context manager that returns the socket. The file descriptor stays open at its end in any case."""

    def __init__(self, fd: int) -> None:
        self._socket = socket(fileno=fd)

    def __enter__(self) -> socket:
        return self._socket

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.detach()
