"""Connections to a server that follow one another: what one of them leaves unanswered, the next is asked.

All operations can be repeated, because none of them changes anything on the server.
"""

from __future__ import annotations

import os

from calcd.client.classic import Classic
from calcd.client.connection import Connection
from calcd.client.errors import ConnectionLostError, SharedClientError, UnknownProtocolError
from calcd.client.resp import Resp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from calcd.client.request import Reply, Request
    from calcd.client.stream import Stream

DEFAULT_SERVER = "127.0.0.1:7070"
DEFAULT_TIMEOUT = 10.0
MAX_TIMEOUT = 86400.0
PROTOCOLS = ("resp", "classic")

# Requests. Each connection that is lost has what it leaves of these encoded again, and not of millions.
_TOGETHER = 1 << 15

_ADVICE = "the server answers nothing in RESP, which has no such limit; --classic --wrap wraps"


class Session:
    """What a Client and an AsyncClient have in common."""

    def __init__(
        self,
        server: str | None,
        timeout: float,
        protocol: str | None,
        wraps: bool,
        open_stream: Callable[[str, float], Awaitable[Stream]],
    ) -> None:
        """The arguments are those of Client, and how to connect. Raises UnknownProtocolError, ValueError."""
        if not 0 < timeout <= MAX_TIMEOUT:
            raise ValueError(f"timeout {timeout}: it is more than 0 and at most {MAX_TIMEOUT:.0f} seconds")
        self.losses = 0  # connections that were lost, and replaced or to be replaced
        self.server = server_name(server)
        self._timeout = timeout
        self._is_classic = is_classic(protocol)
        self._wraps = wraps
        self._open_stream = open_stream
        self._pid = os.getpid()
        self._is_closed = False
        self._knows_resp = False  # the server, as an earlier connection has shown
        self._connection: Connection | None = None

    @property
    def is_in_child(self) -> bool:
        """Whether this is a child of the process that has the connection."""
        return os.getpid() != self._pid

    def check_process(self) -> None:
        """Raises SharedClientError in a child process."""
        if self.is_in_child:
            raise SharedClientError(
                f"the connection to {self.server} belongs to another process, which would get the answers: "
                "make a new client behind the fork"
            )

    async def connect(self) -> Connection:
        """Raises what open_stream does."""
        return await self._connect(Classic(wraps=self._wraps) if self._is_classic else Resp())

    async def ask(self, requests: Sequence[Request], replies: list[Reply]) -> None:
        """Appends a reply for each request, also those that came before a failure.

        Raises what open_stream and Connection.ask do: ConnectionLostError only where a connection that was
        made for these requests has brought no reply.
        """
        first = len(replies)
        is_new = False
        while asked := requests[(at := len(replies) - first) : at + _TOGETHER]:
            self._check_open()
            connection = self._connection
            if connection is None or not connection.is_open:
                connection = await self.connect()
                is_new = True
            before = len(replies)
            try:
                await connection.ask(asked, replies)
            except ConnectionLostError:
                self._check_open()
                was_in_vain = connection.has_sent and not connection.has_answered
                is_silent = was_in_vain and not connection.has_received
                if is_silent and isinstance(connection.protocol, Resp) and not self._knows_resp:
                    await self._connect(Classic(advice=_ADVICE))
                    is_new = True
                elif len(replies) == before and (is_new or was_in_vain):
                    raise
                else:
                    self.losses += 1
            else:
                is_new = False

    def close(self) -> None:
        """Closes the connection so that the server sees no failure. Raises nothing."""
        self._is_closed = True
        if self._connection is None:
            return
        if self.is_in_child:
            self._connection.abandon()
        else:
            self._connection.close()

    async def _connect(self, protocol: Resp | Classic) -> Connection:
        stream = await self._open_stream(self.server, self._timeout)
        if self._connection is not None:
            self._connection.abandon()
            self._knows_resp |= self._connection.has_answered and isinstance(self._connection.protocol, Resp)
        self._connection = Connection(self.server, self._timeout, protocol, stream)
        if self._is_closed:  # by another task, while this one connected
            self.close()
            self._check_open()
        return self._connection

    def _check_open(self) -> None:
        if self._is_closed:
            raise ConnectionLostError(f"the client of {self.server} is closed: make a new one")


def server_name(server: str | None) -> str:
    """The server's address; None: what the environment says, or the default."""
    return server or os.environ.get("CALCD_SERVER") or DEFAULT_SERVER


def is_classic(protocol: str | None) -> bool:
    """Whether the protocol is the classic one; None: what the environment says. Raises
    UnknownProtocolError."""
    name = protocol or os.environ.get("CALCD_PROTOCOL") or PROTOCOLS[0]
    if name not in PROTOCOLS:
        source = "protocol" if protocol else "CALCD_PROTOCOL in the environment"
        raise UnknownProtocolError(f"{source}, {name!r}: there are {' and '.join(PROTOCOLS)}")
    return name == "classic"
