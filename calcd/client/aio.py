"""The library's client for asyncio."""

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from calcd.client.connecting import HEAD_START, failure, parse_here
from calcd.client.errors import SharedClientError
from calcd.client.pipeline import AsyncPipeline
from calcd.client.request import Reply, Request, checked, results
from calcd.client.session import DEFAULT_TIMEOUT, Session
from calcd.client.stream import READ
from calcd.protocol.classic import Operation

_RETRY = 0.02  # seconds


class AsyncClient:
    """As Client, for asyncio: its methods have the same names and raise the same errors. Use it in an async
    with statement, which connects; without one, the first call does.

    The timeout is that of Client, and holds for looking up a host's name, too.

    The tasks of an event loop may share an AsyncClient: each waits until the calls of the others are
    answered. Another event loop may not, nor a child process. A call that is cancelled closes the connection,
    and the next call makes a new one.
    """

    def __init__(
        self,
        server: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        *,
        protocol: str | None = None,
        wraps: bool = False,
    ) -> None:
        """Raises UnknownProtocolError, and ValueError for a timeout that Client would not take."""
        self._session = Session(server, timeout, protocol, wraps, _open_stream)
        self.server = self._session.server
        self._lock = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None  # of the first call

    async def __aenter__(self) -> Self:
        """Connects. Raises AddressError, ConnectError, ServerTimeoutError."""
        self._check_loop()
        async with self._lock:
            await self._session.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def add(self, a: int, b: int) -> int:
        """a + b. Raises TooBigError, ErrorReplyError, and what ask does."""
        return (await self.compute([(Operation.ADD, a, b)]))[0]

    async def sub(self, a: int, b: int) -> int:
        """a - b. Raises what add does."""
        return (await self.compute([(Operation.SUB, a, b)]))[0]

    async def mul(self, a: int, b: int) -> int:
        """a * b. Raises what add does."""
        return (await self.compute([(Operation.MUL, a, b)]))[0]

    async def div(self, a: int, b: int) -> int:
        """a / b, truncated toward zero. Raises what add does, and DivisionByZeroError."""
        return (await self.compute([(Operation.DIV, a, b)]))[0]

    async def compute(self, requests: Iterable[Request | tuple[Operation, int, int]]) -> list[int]:
        """As Client.compute."""
        asked = [checked(*request) for request in requests]
        replies: list[Reply] = []
        await self.ask(asked, replies)
        return results(replies)

    def pipeline(self) -> AsyncPipeline:
        """Returns a block of calls that are asked together, at the end of an async with statement."""
        return AsyncPipeline(self)

    async def ask(self, requests: Sequence[Request], replies: list[Reply]) -> None:
        """As Client.ask, and raises AddressError if this is the first call."""
        self._session.check_process()
        self._check_loop()
        async with self._lock:
            await self._session.ask(requests, replies)

    async def close(self) -> None:
        """Closes the connection so that the server sees no failure. Raises nothing."""
        if not self._session.is_in_child:  # whose event loop would take the connection from its parent's
            self._session.close()
            await asyncio.sleep(0)  # in which the event loop forgets the connection

    def _check_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if (self._loop or loop) is not loop:
            raise SharedClientError(
                f"the AsyncClient of {self.server} belongs to another event loop: make one for each"
            )
        self._loop = loop


class _AsyncStream:
    """A calcd.client.stream.Stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout: float) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout = timeout

    async def early(self) -> bytes | None:
        # What has come is read in the event loop's next turn, behind what is ready now: this task, too.
        for _ in range(2):
            await asyncio.sleep(0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                return await self._reader.read(READ)
        return None

    async def read(self) -> bytes:
        async with asyncio.timeout(self._timeout):
            return await self._reader.read(READ)

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def close(self) -> None:
        self._writer.transport.abort()  # close() would go on for as long as something is unsent


async def _open_stream(server: str, timeout: float) -> _AsyncStream:
    address = parse_here(server)
    try:
        async with asyncio.timeout(timeout):
            if isinstance(address, str):
                streams = await asyncio.open_unix_connection(sock=await _connect_unix(address))
            else:
                streams = await asyncio.open_connection(*address, happy_eyeballs_delay=HEAD_START)
    except (OSError, UnicodeError) as error:
        raise failure(server, timeout, error) from error
    return _AsyncStream(*streams, timeout)


async def _connect_unix(path: str) -> socket.socket:
    """Waits for a place in the queue: connect(2) fails at once if that is full, and the socket does not block
    (unix(7)), and asyncio takes this for a connection that is under way."""
    while True:
        with contextlib.ExitStack() as on_failure:
            connection = on_failure.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                connection.connect(path)
                on_failure.pop_all()
                return connection
        await asyncio.sleep(_RETRY)
