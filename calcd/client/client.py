"""The library's client: a connection to calcd, for whoever has it."""

import _thread
import operator
import os
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from calcd.client.classic import Classic
from calcd.client.connection import Connection
from calcd.client.errors import (
    ClientError,
    ConnectionLostError,
    SharedClientError,
    UnknownProtocolError,
)
from calcd.client.request import Reply, Request
from calcd.client.resp import Resp
from calcd.protocol.classic import Operation

DEFAULT_SERVER = "127.0.0.1:7070"
DEFAULT_TIMEOUT = 10.0
MAX_TIMEOUT = 86400.0
PROTOCOLS = ("resp", "classic")


class Client:
    """An open connection to calcd. Use it in a with statement, or call close().

    server is HOST:PORT, [IPV6]:PORT or unix:/path. The default is CALCD_SERVER in the environment, else
    127.0.0.1:7070. timeout is in seconds: the time to wait for the connection, and then for each answer of
    the server. Looking up a host's name takes as long as the resolver takes.

    protocol is resp, which is exact, or classic, whose integers have 32 bits. The default is CALCD_PROTOCOL
    in the environment, else resp. A server that closes the connection at the first request in resp, and sends
    nothing, is asked once more in classic. In classic, operands and results beyond 32 bits are refused; with
    wraps they wrap, as in C.

    Threads may share a Client: each waits until the calls of the others are answered. A child process may
    not.

    Raises AddressError, UnknownProtocolError, ConnectError, ServerTimeoutError, and ValueError for a timeout
    that is not above 0 or is more than a day. After a ServerTimeoutError, ConnectionLostError or
    NotCalcdError the connection is closed, because a late reply would be taken for the reply to another
    request.
    """

    def __init__(
        self,
        server: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        *,
        protocol: str | None = None,
        wraps: bool = False,
    ) -> None:
        if not 0 < timeout <= MAX_TIMEOUT:
            raise ValueError(f"timeout {timeout}: it is more than 0 and at most {MAX_TIMEOUT:.0f} seconds")
        self.server = server or os.environ.get("CALCD_SERVER") or DEFAULT_SERVER
        self.timeout = timeout
        classic = is_classic(protocol)
        # Without threading, which takes a tenth of the time that one answer takes.
        self._lock = _thread.allocate_lock()
        self._holder = 0  # the thread that waits for an answer
        self._pid = os.getpid()
        self._connection = Connection(self.server, timeout, Classic(wraps=wraps) if classic else Resp())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, a: int, b: int) -> int:
        """a + b. Raises TooBigError, ErrorReplyError, and what ask does."""
        return self.compute([(Operation.ADD, a, b)])[0]

    def sub(self, a: int, b: int) -> int:
        """a - b. Raises what add does."""
        return self.compute([(Operation.SUB, a, b)])[0]

    def mul(self, a: int, b: int) -> int:
        """a * b. Raises what add does."""
        return self.compute([(Operation.MUL, a, b)])[0]

    def div(self, a: int, b: int) -> int:
        """a / b, truncated toward zero. Raises what add does, and DivisionByZeroError."""
        return self.compute([(Operation.DIV, a, b)])[0]

    def compute(self, requests: Iterable[Request | tuple[Operation, int, int]]) -> list[int]:
        """Returns the results of many requests, in order, without a round trip for each.

        Raises TypeError for an operand that is not an integer and ValueError for an operation that has no
        result, both before anything is sent; else what div does, for the first request that has no result.
        """
        asked = [checked(*request) for request in requests]
        replies: list[Reply] = []
        self.ask(asked, replies)
        for reply in replies:
            if isinstance(reply, ClientError):
                raise reply
        return [int(reply) for reply in replies if isinstance(reply, str)]

    def ask(self, requests: Sequence[Request], replies: list[Reply]) -> None:
        """Appends a reply for each request, also those that came before a failure.

        Raises ServerTimeoutError, ConnectionLostError, NotCalcdError, SharedClientError.
        """
        if os.getpid() != self._pid:
            raise SharedClientError(
                f"the connection to {self.server} belongs to another process, which would get the answers: "
                "make a new Client behind the fork"
            )
        if self._holder == _thread.get_ident():
            raise SharedClientError("the Client waits for an answer: a signal handler needs one of its own")
        with self._lock:
            self._holder = _thread.get_ident()
            try:
                self._ask(requests, replies)
            finally:
                self._holder = 0

    def close(self) -> None:
        """Closes the connection so that the server sees no failure. Raises nothing."""
        if os.getpid() == self._pid:
            self._connection.close()
        else:
            self._connection.abandon()

    def _ask(self, requests: Sequence[Request], replies: list[Reply]) -> None:
        connection = self._connection
        was_open = connection.is_open
        try:
            connection.ask(requests, replies)
        except ConnectionLostError:
            was_silent = was_open and connection.has_sent and not connection.has_received
            if not was_silent or isinstance(connection.protocol, Classic):
                raise
            advice = "the server answers nothing in RESP, which has no such limit; --classic --wrap wraps"
            self._connection = Connection(self.server, self.timeout, Classic(advice=advice))
            self._connection.ask(requests, replies)


def is_classic(protocol: str | None) -> bool:
    """Whether the protocol is the classic one; None: what the environment says. Raises
    UnknownProtocolError."""
    name = protocol or os.environ.get("CALCD_PROTOCOL") or PROTOCOLS[0]
    if name not in PROTOCOLS:
        source = "protocol" if protocol else "CALCD_PROTOCOL in the environment"
        raise UnknownProtocolError(f"{source}, {name!r}: there are {' and '.join(PROTOCOLS)}")
    return name == "classic"


def checked(operation: Operation, op1: int, op2: int) -> Request:
    """Raises TypeError if an operand is not an integer, and ValueError if the operation has no result."""
    if not Operation.ADD <= operation <= Operation.DIV:
        raise ValueError(f"{operation!r} has no result")
    return Request(operation, operator.index(op1), operator.index(op2))
