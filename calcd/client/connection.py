"""A connection to calcd, which sends requests and receives the results."""

import contextlib
import operator
import os
import socket
import struct
import time
from collections.abc import Iterable
from types import TracebackType
from typing import NamedTuple, Self

from calcd.client.address import InternetAddress, UnixAddress, parse
from calcd.client.errors import (
    ClientError,
    ConnectError,
    ConnectionLostError,
    DivisionByZeroError,
    OperandRangeError,
    ServerTimeoutError,
)
from calcd.protocol import classic
from calcd.protocol.classic import Operation

DEFAULT_SERVER = "127.0.0.1:7070"
DEFAULT_TIMEOUT = 10.0
MAX_TIMEOUT = 86400.0

# At most two pieces of 2,048 requests are unanswered: 48 KiB. Their 16 KiB of replies always fit the socket
# buffers. So the server never waits until the client reads, and the client never waits for ever to write.
_PIECE = 2048 * classic.REQUEST.size


_ANOTHER_PROGRAM = "another program listens there (ss -tlnp shows which)"


class Request(NamedTuple):
    operation: Operation
    op1: int
    op2: int


def encode(operation: Operation, op1: int, op2: int) -> bytes:
    """Returns the frame that asks for one result.

    Raises DivisionByZeroError, OperandRangeError, TypeError if an operand is not an integer, and ValueError
    if the operation has no result.
    """
    if not Operation.ADD <= operation <= Operation.DIV:
        raise ValueError(f"{operation!r} has no result")
    if operation == Operation.DIV and op2 == 0:
        raise DivisionByZeroError("division by zero has no answer")
    try:
        return classic.encode_request(operation, op1, op2)
    except struct.error:
        which = "second" if -(1 << 31) <= operator.index(op1) < 1 << 31 else "first"
        operator.index(op2)
        raise OperandRangeError(
            f"the {which} operand does not fit 32 bits: write -2147483648 to 2147483647"
        ) from None


class Client:
    """An open connection to calcd. Use it in a with statement, or call close().

    server is HOST:PORT, [IPV6]:PORT or unix:/path. The default is CALCD_SERVER in the environment, else
    127.0.0.1:7070. timeout is in seconds: the time to wait for the connection, and then for each answer of
    the server. Looking up a host's name takes as long as the resolver takes.

    Raises AddressError, ConnectError, ServerTimeoutError, and ValueError for a timeout that is not above 0 or
    is more than a day. After a ServerTimeoutError or ConnectionLostError the connection is closed, because a
    late reply would be taken for the reply to another request.
    """

    def __init__(self, server: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> None:
        if not 0 < timeout <= MAX_TIMEOUT:
            raise ValueError(f"timeout {timeout}: it is more than 0 and at most {MAX_TIMEOUT:.0f} seconds")
        self.server = server or os.environ.get("CALCD_SERVER") or DEFAULT_SERVER
        self.timeout = timeout
        self._socket = self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, a: int, b: int) -> int:
        """a + b, wrapped to 32 bits. Raises OperandRangeError, ServerTimeoutError, ConnectionLostError."""
        return self.exchange(encode(Operation.ADD, a, b))[0]

    def sub(self, a: int, b: int) -> int:
        """a - b, wrapped to 32 bits. Raises what add does."""
        return self.exchange(encode(Operation.SUB, a, b))[0]

    def mul(self, a: int, b: int) -> int:
        """a * b, wrapped to 32 bits. Raises what add does."""
        return self.exchange(encode(Operation.MUL, a, b))[0]

    def div(self, a: int, b: int) -> int:
        """a / b, truncated toward zero. Raises what add does, and DivisionByZeroError."""
        return self.exchange(encode(Operation.DIV, a, b))[0]

    def compute(self, requests: Iterable[Request | tuple[Operation, int, int]]) -> list[int]:
        """Returns the results of many requests, in order, without a round trip for each.

        All are checked before the first one is sent. Raises as encode, ServerTimeoutError and
        ConnectionLostError.
        """
        return self.exchange(b"".join(encode(*request) for request in requests))

    def exchange(self, frames: bytes) -> list[int]:
        """Returns the results of encode's frames. Raises ServerTimeoutError, ConnectionLostError."""
        if self._socket.fileno() < 0:
            raise ConnectionLostError(f"the connection to {self.server} is closed: make a new Client")
        results: list[int] = []
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self._socket.close)
            due = 0
            for start in range(0, len(frames), _PIECE):
                piece = frames[start : start + _PIECE]
                self._send(piece)
                results += self._receive(due)
                due = len(piece) // classic.REQUEST.size
            results += self._receive(due)
            on_failure.pop_all()
        return results

    def close(self) -> None:
        """Sends a quit, so that the server sees no failure, and closes the connection. Raises nothing."""
        if self._socket.fileno() >= 0:
            with contextlib.suppress(OSError):
                self._socket.sendall(classic.encode_request(Operation.QUIT))
            self._socket.close()

    def _send(self, frames: bytes) -> None:
        try:
            self._socket.sendall(frames)
        except OSError as error:
            raise self._failure(error) from error

    def _receive(self, count: int) -> tuple[int, ...]:
        missing = count * classic.REPLY.size
        pieces = []
        while missing:
            try:
                piece = self._socket.recv(missing)
            except OSError as error:
                raise self._failure(error) from error
            if not piece:
                raise ConnectionLostError(
                    f"{self.server} closed the connection without an answer: journalctl -u calcd says why, "
                    f"unless {_ANOTHER_PROGRAM}"
                )
            pieces.append(piece)
            missing -= len(piece)
        return classic.decode_replies(b"".join(pieces))

    def _failure(self, error: OSError) -> ClientError:
        if isinstance(error, TimeoutError):
            return ServerTimeoutError(
                f"{self.server} did not answer within {self.timeout:g} s: "
                f"calcd may be busy (journalctl -u calcd; a longer timeout helps), or {_ANOTHER_PROGRAM}"
            )
        return ConnectionLostError(
            f"the connection to {self.server} was lost: {error.strerror or error}: "
            "journalctl -u calcd may say why"
        )

    def _connect(self) -> socket.socket:
        address = parse(self.server)
        try:
            if isinstance(address, UnixAddress):
                return _connect_unix(address, self.timeout)
            return _connect_internet(address, self.timeout)
        except (BlockingIOError, TimeoutError) as error:
            raise ServerTimeoutError(
                f"{self.server} did not accept the connection within {self.timeout:g} s: "
                "it may be full or unreachable; try again, or give it a longer timeout"
            ) from error
        except (socket.gaierror, UnicodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "not a valid name"
            raise ConnectError(
                f"cannot connect to {self.server}: {cause}: is the host's name right?"
            ) from error
        except OSError as error:
            raise ConnectError(
                f"cannot connect to {self.server}: {error.strerror or error}: "
                "is calcd running? systemctl status calcd.socket"
            ) from error


def _connect_unix(address: UnixAddress, timeout: float) -> socket.socket:
    with contextlib.ExitStack() as on_failure:
        connection = on_failure.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        # settimeout() would make the socket non-blocking. Then connect(2) to a full backlog would fail at
        # once with EAGAIN (unix(7)). With SO_SNDTIMEO it waits, and EAGAIN means that the time is over.
        seconds, fraction = divmod(timeout, 1)
        # struct timeval is of two numbers like time_t, which on a 32-bit system has either size.
        size = len(connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16))
        period = struct.pack("=ii" if size == 8 else "=qq", int(seconds), max(int(fraction * 1e6), 1))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, period)
        connection.connect(address.path)
        connection.settimeout(timeout)
        on_failure.pop_all()
    return connection


def _connect_internet(address: InternetAddress, timeout: float) -> socket.socket:
    """Connects to the first of the host's addresses that works, in the resolver's order.

    Raises the OSError of the last one tried, and UnicodeError for a name that is not valid.
    """
    # An ASCII name is passed as bytes, which does not load Python's IDNA tables.
    host = address.host.encode() if address.host.isascii() else address.host
    found = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)
    deadline = time.monotonic() + timeout
    failure: OSError = TimeoutError()
    for family, kind, protocol, _, where in found:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            break
        with contextlib.ExitStack() as on_failure:
            try:
                connection = on_failure.enter_context(socket.socket(family, kind, protocol))
                connection.settimeout(remaining)
                connection.connect(where)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.settimeout(timeout)
            except OSError as error:
                failure = error
                continue
            on_failure.pop_all()
            return connection
    raise failure
