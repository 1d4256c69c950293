"""hiredis_server.py PORT: the four operations in RESP, on asyncio, with the parser of hiredis."""

import asyncio
import sys

import hiredis

_BACKLOG = 4096


def _reply(command: list[bytes]) -> bytes:
    name = command[0].upper()
    if name == b"PING":
        return b"+PONG\r\n"
    a, b = int(command[1]), int(command[2])
    if name == b"ADD":
        return b":%d\r\n" % (a + b)
    if name == b"SUB":
        return b":%d\r\n" % (a - b)
    if name == b"MUL":
        return b":%d\r\n" % (a * b)
    if b == 0:
        return b"-DIVBYZERO division by zero\r\n"
    return b":%d\r\n" % (a // b if (a < 0) == (b < 0) else -(-a // b))


class _Protocol(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._reader = hiredis.Reader()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        replies = []
        while command := self._reader.gets():
            replies.append(_reply(command))
        self._transport.write(b"".join(replies))


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    async with await loop.create_server(_Protocol, "127.0.0.1", port, backlog=_BACKLOG) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
