"""The library's client: it waits for the server's answers."""

from __future__ import annotations

import _thread
import contextlib

from calcd.client.errors import SharedClientError
from calcd.client.request import checked, results
from calcd.client.session import DEFAULT_TIMEOUT, Session
from calcd.client.stream import open_stream
from calcd.protocol.classic import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence
    from types import TracebackType
    from typing import Self

    from calcd.client.pipeline import Pipeline
    from calcd.client.request import Reply, Request


class Client:
    """A connection to calcd. Use it in a with statement, or call close().

    server is HOST:PORT, [IPV6]:PORT or unix:/path. The default is CALCD_SERVER in the environment, else
    127.0.0.1:7070. A host's addresses are tried as RFC 8305 says. timeout is in seconds: the time to wait for
    the connection, and then for each answer of the server. Looking up a host's name takes as long as the
    resolver takes.

    protocol is resp, which is exact, or classic, whose integers have 32 bits. The default is CALCD_PROTOCOL
    in the environment, else resp. A server that closes the connection at the first request in resp, and sends
    nothing, is asked once more in classic. In classic, operands and results beyond 32 bits are refused; with
    wraps they wrap, as in C.

    Where the connection is lost, what has no answer yet is asked again on a new one, and so on, as long as
    each of them brings an answer. After a ServerTimeoutError, ConnectionLostError or NotCalcdError the
    connection is closed, because a late reply would be taken for the reply to another request. The next call
    makes a new one.

    Threads may share a Client: each waits until the calls of the others are answered. A child process may
    not.

    Raises AddressError, UnknownProtocolError, ConnectError, ServerTimeoutError, and ValueError for a timeout
    that is not above 0 or is more than a day.
    """

    def __init__(
        self,
        server: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        *,
        protocol: str | None = None,
        wraps: bool = False,
    ) -> None:
        self._session = Session(server, timeout, protocol, wraps, open_stream)
        self.server = self._session.server
        self.timeout = timeout
        # Without threading, which takes a tenth of the time that one answer takes.
        self._lock = _thread.allocate_lock()
        self._holder = 0  # the thread that waits for an answer
        complete(self._session.connect())

    @property
    def losses(self) -> int:
        """How many connections were lost, and replaced or to be replaced."""
        return self._session.losses

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
        return results(replies)

    def pipeline(self) -> Pipeline:
        """Returns a block of calls that are asked together, at the end of a with statement."""
        from calcd.client.pipeline import Pipeline  # noqa: PLC0415 one answer is the sooner there

        return Pipeline(self)

    def ask(self, requests: Sequence[Request], replies: list[Reply]) -> None:
        """Appends a reply for each request, also those that came before a failure.

        Raises ServerTimeoutError, ConnectionLostError, NotCalcdError, SharedClientError, and ConnectError
        where the connection was lost and there is no server any more.
        """
        self._session.check_process()
        if self._holder == _thread.get_ident():
            raise SharedClientError("the Client waits for an answer: a signal handler needs one of its own")
        with self._lock:
            self._holder = _thread.get_ident()
            try:
                complete(self._session.ask(requests, replies))
            finally:
                self._holder = 0

    def close(self) -> None:
        """Closes the connection so that the server sees no failure. Raises nothing.

        It waits until the calls of other threads are answered.
        """
        if self._holder == _thread.get_ident() or self._session.is_in_child:
            self._session.close()
        else:
            with self._lock:
                self._session.close()


def complete(call: Coroutine[None, None, object]) -> None:
    """Runs a coroutine that never suspends, because the streams of open_stream wait themselves."""
    with contextlib.suppress(StopIteration):
        call.send(None)
