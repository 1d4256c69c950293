"""One connection in one protocol: it sends requests and receives the replies."""

from __future__ import annotations

import contextlib

from calcd.client.classic import Classic
from calcd.client.errors import ClientError, ConnectionLostError, NotCalcdError, ServerTimeoutError
from calcd.client.resp import Resp, shown
from calcd.protocol.classic import REQUEST, Operation, encode_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from calcd.client.request import Reply, Request
    from calcd.client.stream import Stream

# At most two pieces are unanswered, 48 KiB: the server always has the next one, and no buffer grows.
_PIECE = 24 * 1024  # bytes
_MOST = 2048  # requests

_ANOTHER_PROGRAM = "another program listens there (ss -tlnp shows which)"
_CLASSIC_ALONE = "a server that knows the classic protocol alone takes --classic"


class Connection:
    """An open connection. After a failure it is closed, because a late reply would be taken for the reply to
    another request. What it waits for, the stream waits for."""

    def __init__(self, server: str, timeout: float, protocol: Resp | Classic, stream: Stream) -> None:
        """timeout is that of the stream, in seconds."""
        self.server = server
        self.protocol = protocol
        self.is_open = True
        self.has_sent = False
        self.has_received = False  # any byte
        self.has_answered = False
        self._timeout = timeout
        self._stream = stream
        self._sent = 0  # requests of the present call

    async def ask(self, requests: Sequence[Request], replies: list[Reply]) -> None:
        """Appends the replies to requests, also those that came before a failure.

        Raises ServerTimeoutError, ConnectionLostError, NotCalcdError, and OperandRangeError before anything
        is sent.
        """
        frames = self.protocol.encode(requests)
        received: list[Reply] = []
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self.abandon)
            try:
                await self._look()
                await self._exchange(frames, received)
            except (ConnectionLostError, ServerTimeoutError, KeyboardInterrupt):
                replies += _in_order(frames, received)
                raise
            finally:
                self.has_answered |= bool(received)
            on_failure.pop_all()
        replies += _in_order(frames, received)

    def close(self) -> None:
        """Ends the connection so that the server sees no failure. Raises nothing."""
        if self.is_open and isinstance(self.protocol, Classic):
            with contextlib.suppress(OSError):
                self._stream.write(encode_request(Operation.QUIT))
        self.abandon()

    def abandon(self) -> None:
        """Closes the connection and says nothing."""
        self.is_open = False
        self._stream.close()

    async def _exchange(self, frames: list[bytes | ClientError], received: list[Reply]) -> None:
        self._sent = start = 0
        while start < len(frames):
            is_alone = self.protocol.first_alone and not self.has_received
            size = 1 if is_alone else _MOST
            while size > 1 and _size(frames[start : start + size]) > _PIECE:
                size //= 2
            piece = [frame for frame in frames[start : start + size] if isinstance(frame, bytes)]
            before = self._sent
            self._send(piece)
            await self._receive(received, self._sent if is_alone else before)
            start += size
        await self._receive(received, self._sent)

    async def _look(self) -> None:
        """Nobody has asked anything yet, so nothing may have come."""
        try:
            early = await self._stream.early()
        except OSError as error:
            raise self._failure(error) from error
        if early is None:
            return
        if early:
            raise self._no_answer(f"{shown(early)} before it was asked")
        raise ConnectionLostError(
            f"{self.server} closed the connection without an answer, before it was asked: "
            f"journalctl -u calcd says why, unless {_ANOTHER_PROGRAM}"
        )

    def _send(self, frames: list[bytes]) -> None:
        if not frames:
            return
        self._sent += len(frames)
        data = b"".join(frames)
        if not self.has_sent and len(data) < REQUEST.size:
            # A server of the classic protocol alone waits for so many bytes before it looks at them.
            data = data[:-1].ljust(REQUEST.size - 1) + b"\n"
        self.has_sent = True
        try:
            self._stream.write(data)
        except OSError as error:
            raise self._failure(error) from error

    async def _receive(self, received: list[Reply], count: int) -> None:
        """Receives until there are at least as many replies as count."""
        while len(received) < count:
            data = await self._read()
            try:
                self.protocol.decode(data, received)
            except NotCalcdError as error:
                raise self._no_answer(str(error)) from None
            missing = self._sent - len(received)
            if missing < 0 or (self.protocol.rest and not missing):
                raise self._no_answer(shown(data))

    async def _read(self) -> bytes:
        try:
            data = await self._stream.read()
        except OSError as error:
            raise self._failure(error) from error
        if not data:
            raise ConnectionLostError(
                f"{self.server} closed the connection without an answer: journalctl -u calcd says why, "
                f"unless {_ANOTHER_PROGRAM}"
            )
        self.has_received = True
        return data

    def _no_answer(self, what: str) -> NotCalcdError:
        hint = "" if isinstance(self.protocol, Classic) else f"; {_CLASSIC_ALONE}"
        return NotCalcdError(
            f"{self.server} sent {what}, which is no answer of calcd's: {_ANOTHER_PROGRAM}{hint}"
        )

    def _failure(self, error: OSError) -> ClientError:
        if isinstance(error, TimeoutError):
            hint = "" if isinstance(self.protocol, Classic) or self.has_received else f"; {_CLASSIC_ALONE}"
            return ServerTimeoutError(
                f"{self.server} did not answer within {self._timeout:g} s: "
                "calcd may be busy (journalctl -u calcd; a longer timeout helps), "
                f"or {_ANOTHER_PROGRAM}{hint}"
            )
        unless = "" if self.has_received else f", unless {_ANOTHER_PROGRAM}"
        return ConnectionLostError(
            f"the connection to {self.server} was lost: {error.strerror or error}: "
            f"journalctl -u calcd may say why{unless}"
        )


def _size(frames: Sequence[bytes | ClientError]) -> int:
    return sum(len(frame) for frame in frames if isinstance(frame, bytes))


def _in_order(frames: Sequence[bytes | ClientError], received: list[Reply]) -> list[Reply]:
    """The replies to frames, as far as they have come, with the errors of those that were not sent."""
    if not any(isinstance(frame, ClientError) for frame in frames):
        return received
    ordered: list[Reply] = []
    answers = iter(received)
    for frame in frames:
        if isinstance(frame, bytes):
            answer = next(answers, None)
            if answer is None:
                break
            ordered.append(answer)
        else:
            ordered.append(frame)
    return ordered
