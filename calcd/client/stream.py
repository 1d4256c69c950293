"""The bytes of a connection."""

from __future__ import annotations

import selectors

from calcd.client.connecting import Selector, connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Protocol

    class Stream(Protocol):
        """What a Connection needs. What its methods raise is OSError."""

        async def early(self) -> bytes | None:
            """What has come although nobody has asked for it; None if nothing has, b"" for the end."""

        async def read(self) -> bytes:
            """Waits for what comes, b"" for the end. Raises TimeoutError."""

        def write(self, data: bytes) -> None:
            """Sends data, and never waits: what does not fit the socket's buffer is sent in read.

            That the other side has closed is for read to find out, behind the last bytes of that side.
            """

        def close(self) -> None:
            """Closes the connection, at once."""


READ = 1 << 16  # bytes


class BlockingStream:
    """A Stream whose coroutines never suspend: it waits itself.

    What does not fit the socket's buffer is sent while replies are read. If the client waited to send it, and
    the server to send replies, both would wait for ever.
    """

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        """The connection does not block. The timeout of each read is in seconds."""
        self._socket = connection
        self._timeout = timeout
        self._unsent = b""
        self._waits_to_send = False
        self._selector = Selector()
        self._selector.register(connection, selectors.EVENT_READ)

    async def early(self) -> bytes | None:
        try:
            return self._socket.recv(READ)
        except BlockingIOError:
            return None

    async def read(self) -> bytes:
        while ready := self._selector.select(self._timeout):
            for _, events in ready:
                if events & selectors.EVENT_READ:
                    return self._socket.recv(READ)
                self._send()
        raise TimeoutError

    def write(self, data: bytes) -> None:
        self._unsent += data
        self._send()

    def close(self) -> None:
        self._socket.close()

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            pass
        except ConnectionError:
            self._unsent = b""
        if self._unsent or self._waits_to_send:
            self._waits_to_send = bool(self._unsent)
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
            self._selector.modify(self._socket, events)


async def open_stream(server: str, timeout: float) -> BlockingStream:
    """Raises as connect."""
    return BlockingStream(connect(server, timeout), timeout)
