"""A session in front of which a proxy's header may stand: the client is whom the header names.

1.  Only a listener that has a proxied socket imports this module. Others, and their handlers, pay nothing.
2.  Who may send a header is known before a byte is read, and a header is due from all of them. Whether there
    is one is never found out from the bytes: else any client could name an address of its choice.
3.  The header's bytes are looked at (MSG_PEEK), and no others are read. The client's first bytes, which
    mostly come with them, are left for the session.
4.  The wait for the header has a time limit, and a stop of calcd ends it, in the way of
    calcd.handler.deadlines: 3.
5.  A proxy that speaks for itself checks whether calcd is well. It says so (LOCAL in version 2), or names
    itself (in version 1), or leaves without a word. Then the client is the proxy, and no limit of a source is
    for it: a check that is refused takes the server out of service.
"""

from __future__ import annotations

from _socket import MSG_DONTWAIT, MSG_PEEK
from os import close, getpid, read, write
from time import monotonic

from calcd.handler import report
from calcd.handler.peers import host_and_name
from calcd.handler.process import IDLE
from calcd.handler.session import Session
from calcd.linux.socket_view import SocketView
from calcd.protocol.proxy_header import HeaderError, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from calcd.handler.acceptor import Acceptor
    from calcd.handler.sources import Sources
    from calcd.linux.process_title import Title
    from calcd.protocol.proxy_header import Header
    from calcd.protocol.resp.dialogue import Dialogue
    from calcd.settings.limits import Limits

# Bytes. An ordinary header has some fifty, and a small buffer is memory that is in use already.
_PIECE = 256
# A header that names nobody.
_OF_THE_PROXY: Header = (0, "", 0)


class ProxiedSession(Session):
    __slots__ = ("_acceptor", "_proxies", "_proxy", "_reports", "_show", "_title")

    def __init__(
        self,
        limits: Limits,
        dialogue: Dialogue,
        tell_progress: Callable[[tuple[int, ...]], object],
        *,
        acceptor: Acceptor,
        proxies: Sources,
        reports: int,
        title: Title,
    ) -> None:
        """The first three are those of a session. acceptor knows whether a header is due. proxies has the
        proxies for exempt ones. reports is the writing end of the reports' pipe."""
        super().__init__(limits, dialogue, tell_progress)
        self._acceptor = acceptor
        self._proxies = proxies
        self._reports = reports
        self._show, self._title = title.write, title.arguments
        self._proxy = b""  # the name of the proxy that the connection comes from; empty for none

    def identify(self, connection: int, address: tuple[Any, ...] | str | bytes) -> tuple[str, bytes]:
        """Returns the client's IP address and name, as host_and_name(), once the header is read.

        The address is empty if no limit of a source is for the client. Both are empty if the connection has
        come to nothing: then it is closed, and reported.
        """
        host, name = host_and_name(connection, address)
        self._proxy = b""
        if "proxy" not in self._acceptor.protocols:
            return host, name
        if self._proxies.of(host):
            return self._turn_away(connection, name, report.UNTRUSTED_PROXY, b"")
        self._report(report.arrived(report.ARRIVED, getpid()))
        self._proxy = name
        self._show(self._title, 0, b"calcd: waiting for the header of " + name)
        self._connection = connection
        header, reason, data = self._take_header(connection)
        self._connection = -1
        self._show(self._title, 0, IDLE)
        if header is None:
            return self._turn_away(connection, name, reason, data)
        self.prepare(connection)
        _, client, port = header
        client, client_name = host_and_name(connection, (client, port)) if client else ("", name)
        return ("" if client_name == name else client), client_name

    def accepted(self, kind: int, handler: int, asks: bool, peer: bytes) -> bytes:
        """Returns the report of calcd.handler.report.accepted(), with the proxy if there is one."""
        if not self._proxy:
            return report.accepted(kind, handler, asks, peer)
        return report.proxied(report.PROXIED, handler, asks, peer, self._proxy)

    def _take_header(self, connection: int) -> tuple[Header | None, int, bytes]:
        """Reads the header and not a byte more. Returns it; or None, the reason, and what has come."""
        due = monotonic() + self._limits.proxy_timeout
        flags = MSG_PEEK | MSG_DONTWAIT
        taken = b""
        with SocketView(connection) as view:
            while True:
                try:
                    seen = view.recv(_PIECE, flags)
                except BlockingIOError:  # the receive timeout, or nothing is there yet
                    until = min(due, self._drained_by or due)
                    left = until - monotonic()
                    if left <= 0:
                        # At the end of a drain, the session reads nothing. Before, it would read the rest of
                        # a header that is late.
                        return (None if until == due else _OF_THE_PROXY), report.HEADER_LATE, taken
                    self._limit_receive(left)
                    flags = MSG_PEEK
                    continue
                except OSError:  # a reset
                    seen = b""
                if not seen:
                    return (None if taken else _OF_THE_PROXY), report.HEADER_CUT_OFF, taken
                data = taken + seen
                try:
                    header = parse(data)
                except HeaderError as error:
                    return None, error.reason, data
                read(connection, (header[0] if header else len(data)) - len(taken))
                if header:
                    return header, 0, b""
                taken = data

    def _turn_away(self, connection: int, proxy: bytes, reason: int, data: bytes) -> tuple[str, bytes]:
        close(connection)
        self._report(report.header_refused(report.HEADER_REFUSED, getpid(), reason, proxy, data))
        return "", b""

    def _report(self, record: bytes) -> None:
        try:
            write(self._reports, report.START + record)
        except BrokenPipeError:  # listener and supervisor have died: the client is served anyway
            pass
