"""stdlib_server.py fork|threads|asyncio PORT: the classic protocol on the standard library's servers."""

import asyncio
import socket
import socketserver
import struct
import sys

_REQUEST = struct.Struct("<iii")
_READ = 65536
_BACKLOG = 4096


class _Conversation:
    def __init__(self) -> None:
        self._held = b""
        self.is_over = False

    def answer(self, received: bytes) -> bytes:
        """The replies to all requests that are whole by now."""
        held = self._held + received
        whole = len(held) // _REQUEST.size * _REQUEST.size
        replies: list[int] = []
        for request in _REQUEST.iter_unpack(held[:whole]):
            result = _compute(*request)
            if result is None:
                self.is_over = True
                break
            replies.append(result)
        self._held = held[whole:]
        return struct.pack(f"<{len(replies)}i", *replies)


def _compute(oper: int, a: int, b: int) -> int | None:
    """None for a request that ends the conversation."""
    if oper == 0:
        result = a + b
    elif oper == 1:
        result = a - b
    elif oper == 2:
        result = a * b
    elif oper == 3 and b != 0:
        result = int(a / b)  # exact: both have 32 bits
    else:
        return None
    return (result & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


class _Handler(socketserver.BaseRequestHandler):
    request: socket.socket

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conversation = _Conversation()
        while not conversation.is_over and (received := self.request.recv(_READ)):
            self.request.sendall(conversation.answer(received))


class _Forking(socketserver.ForkingTCPServer):
    allow_reuse_address = True
    request_queue_size = _BACKLOG
    max_children = _BACKLOG  # the 40 of the standard library are fewer than the load holds open


class _Threading(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = _BACKLOG
    daemon_threads = True


class _Protocol(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport  # with TCP_NODELAY: asyncio sets it
        self._conversation = _Conversation()

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._conversation.answer(data))
        if self._conversation.is_over:
            self._transport.close()


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    async with await loop.create_server(_Protocol, "127.0.0.1", port, backlog=_BACKLOG) as server:
        await server.serve_forever()


def main(kind: str, port: int) -> None:
    if kind == "asyncio":
        asyncio.run(_serve(port))
    with {"fork": _Forking, "threads": _Threading}[kind](("127.0.0.1", port), _Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
