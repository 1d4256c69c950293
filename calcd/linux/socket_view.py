"""A socket object for a connection that is known by its file descriptor alone.

A connection is a file descriptor in listener and handler: a socket object costs each fork a dozen pages
of memory. This one is for the rare call that has no function for file descriptors.
"""

from __future__ import annotations

from _socket import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class SocketView:
    """In a with statement; the file descriptor stays open at its end, also when that is an exception."""

    def __init__(self, fd: int) -> None:
        self._socket = socket(fileno=fd)

    def __enter__(self) -> socket:
        return self._socket

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.detach()
