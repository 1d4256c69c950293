"""A connection to calcd, and the questions that can be asked on it."""

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

# Two pieces of 2,048 requests may be unanswered: 48 KiB of requests, whose 16 KiB of replies always fit
# the socket buffers. So the server never waits for us to read, and we never wait for ever to write.
_PIECE = 2048 * classic.REQUEST.size


class Request(NamedTuple):
    operation: Operation
    op1: int
    op2: int


def encode(operation: Operation, op1: int, op2: int) -> bytes:
    """The frame that asks for one result.

    Raises DivisionByZeroError, OperandRangeError; TypeError when an operand is not an integer, and
    ValueError when the operation has no result.
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
    """An open connection to calcd, to be used in a with statement or closed by close().

    server is HOST:PORT, [IPV6]:PORT or unix:/path; by default the environment's CALCD_SERVER, else
    127.0.0.1:7070. timeout, in seconds, is how long to wait for the connection and then each time for
    the server to say something; looking up a host's name takes as long as the resolver takes.

    Raises AddressError, ConnectError, ServerTimeoutError; ValueError for a timeout that is not more
    than 0 and at most a day. After a ServerTimeoutError or ConnectionLostError the connection is closed,
    as a late reply would be taken for another request's.
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
        """The results of many requests, in order, without a round trip for each.

        All are checked before the first is sent. Raises what encode does, ServerTimeoutError and
        ConnectionLostError.
        """
        return self.exchange(b"".join(encode(*request) for request in requests))

    def exchange(self, frames: bytes) -> list[int]:
        """The results of frames made by encode. Raises ServerTimeoutError, ConnectionLostError."""
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
        """Says goodbye, so that the server does not take the end for a failure. Raises nothing."""
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
                    f"{self.server} closed the connection without an answer: journalctl -u calcd says why"
                )
            pieces.append(piece)
            missing -= len(piece)
        return classic.decode_replies(b"".join(pieces))

    def _failure(self, error: OSError) -> ClientError:
        if isinstance(error, TimeoutError):
            return ServerTimeoutError(
                f"{self.server} did not answer within {self.timeout:g} s: "
                "it may be busy (journalctl -u calcd), or give it a longer timeout"
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
        # A non-blocking connect to a full queue fails at once with EAGAIN (unix(7)), and settimeout makes it
        # non-blocking. With SO_SNDTIMEO it waits its turn, and EAGAIN then means that the time is up.
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
    """Tries the host's addresses in the resolver's order; raises what the last one did."""
    # As bytes, a plain name does not load Python's IDNA tables.
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
