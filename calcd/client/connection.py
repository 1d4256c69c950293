"""One connection in one protocol: it sends requests and receives the replies."""

import contextlib
import select
from collections.abc import Sequence

from calcd.client.classic import Classic
from calcd.client.connecting import connect
from calcd.client.errors import ClientError, ConnectionLostError, NotCalcdError, ServerTimeoutError
from calcd.client.request import Reply, Request
from calcd.client.resp import Resp, shown
from calcd.protocol.classic import REQUEST, Operation, encode_request

# At most two pieces are unanswered: 48 KiB, which always fit the socket buffers. So the client never waits
# for ever to write, and reads whatever comes.
_PIECE = 24 * 1024  # bytes
_MOST = 2048  # requests
_READ = 1 << 16  # bytes

_ANOTHER_PROGRAM = "another program listens there (ss -tlnp shows which)"
_CLASSIC_ALONE = "a server that knows the classic protocol alone takes --classic"


class Connection:
    """An open connection. After a failure it is closed, because a late reply would be taken for the reply to
    another request."""

    def __init__(self, server: str, timeout: float, protocol: Resp | Classic) -> None:
        """timeout is in seconds. Raises as connect."""
        self.server = server
        self.timeout = timeout
        self.protocol = protocol
        self.has_sent = False
        self.has_received = False
        self._sent = 0  # requests of the present call
        self._socket = connect(server, timeout)
        self._input = select.poll()
        self._input.register(self._socket, select.POLLIN)

    @property
    def is_open(self) -> bool:
        return self._socket.fileno() >= 0

    def ask(self, requests: Sequence[Request], replies: list[Reply]) -> None:
        """Appends the replies to requests, also those that came before a failure.

        Raises ServerTimeoutError, ConnectionLostError, NotCalcdError, and OperandRangeError before anything
        is sent.
        """
        if not self.is_open:
            raise ConnectionLostError(f"the connection to {self.server} is closed: make a new Client")
        frames = self.protocol.encode(requests)
        received: list[Reply] = []
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self._socket.close)
            self._look()
            try:
                self._exchange(frames, received)
            except (ConnectionLostError, ServerTimeoutError, KeyboardInterrupt):
                replies += _in_order(frames, received)
                raise
            on_failure.pop_all()
        replies += _in_order(frames, received)

    def close(self) -> None:
        """Ends the connection so that the server sees no failure. Raises nothing."""
        if self.is_open and isinstance(self.protocol, Classic):
            with contextlib.suppress(OSError):
                self._socket.sendall(encode_request(Operation.QUIT))
        self.abandon()

    def abandon(self) -> None:
        """Closes the socket and says nothing."""
        self._socket.close()

    def _exchange(self, frames: list[bytes | ClientError], received: list[Reply]) -> None:
        self._sent = start = 0
        while start < len(frames):
            is_alone = self.protocol.first_alone and not self.has_received
            size = 1 if is_alone else _MOST
            while size > 1 and _size(frames[start : start + size]) > _PIECE:
                size //= 2
            piece = [frame for frame in frames[start : start + size] if isinstance(frame, bytes)]
            before = self._sent
            self._send(piece)
            self._receive(received, self._sent if is_alone else before)
            start += size
        self._receive(received, self._sent)

    def _look(self) -> None:
        """Nobody has asked anything yet, so nothing may have come."""
        if not self._input.poll(0):
            return
        try:
            early = self._socket.recv(_READ)
        except OSError as error:
            raise self._failure(error) from error
        if early:
            raise self._no_answer(f"{shown(early)} before it was asked")
        raise ConnectionLostError(
            f"{self.server} closed the connection without an answer, before it was asked: "
            "journalctl -u calcd says why"
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
            self._socket.sendall(data)
        except OSError as error:
            raise self._failure(error) from error

    def _receive(self, received: list[Reply], count: int) -> None:
        """Receives until there are at least as many replies as count."""
        while len(received) < count:
            data = self._read()
            try:
                self.protocol.decode(data, received)
            except NotCalcdError as error:
                raise self._no_answer(str(error)) from None
            missing = self._sent - len(received)
            if missing < 0 or (self.protocol.rest and not missing):
                raise self._no_answer(shown(data))

    def _read(self) -> bytes:
        try:
            data = self._socket.recv(_READ)
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
                f"{self.server} did not answer within {self.timeout:g} s: "
                "calcd may be busy (journalctl -u calcd; a longer timeout helps), "
                f"or {_ANOTHER_PROGRAM}{hint}"
            )
        return ConnectionLostError(
            f"the connection to {self.server} was lost: {error.strerror or error}: "
            "journalctl -u calcd may say why"
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
