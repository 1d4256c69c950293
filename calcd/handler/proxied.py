"""A session in front of which a proxy's header may stand: the client is whom the header names.

1.  Only a listener that has a proxied socket imports this module. Others, and their handlers, pay nothing.
2.  Who may send a header is known before a byte is read, and a header is due from all of them. Whether there
    is one is never found out from the bytes: else any client could name an address of its choice.
3.  Mostly the header is there already, or a moment later, and the client's first bytes with it. Then one
    recv(2) reads all of them, the session begins with what is behind the header, and the listener hears of
    the connection once, as of any other.
4.  Otherwise the listener hears of it before the header has come, and replaces this handler, which waits. The
    wait has a time limit, and a stop of calcd ends it, in the way of calcd.handler.deadlines: 3.
5.  A proxy that speaks for itself checks whether calcd is well. It says so (LOCAL in version 2), or names
    itself (in version 1), or leaves without a word. Then the client is the proxy, and no limit of a source is
    for it: a check that is refused takes the server out of service.
"""

from __future__ import annotations

from _socket import MSG_DONTWAIT
from os import close, getpid, read, write
from time import monotonic

from calcd.handler import report
from calcd.handler.peers import host_and_name
from calcd.handler.process import IDLE
from calcd.handler.session import Session
from calcd.linux.libc import Char, bare_libc
from calcd.linux.socket_timeouts import limit_receive, timeval
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
# The listener looks at reports no more often than this (calcd.listener.handler_reports).
_MOMENT = timeval(0.002)

# A socket object would touch a dozen pages, and read(2) cannot be told not to wait.
_recv = bare_libc.recv


class ProxiedSession(Session):
    __slots__ = ("_acceptor", "_buffer", "_proxies", "_proxy", "_reports", "_show", "_title")

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
        self._buffer = (Char * _PIECE)()
        self._proxy = b""  # the name of the proxy that the connection comes from; empty for none

    def identify(self, connection: int, address: tuple[Any, ...] | str | bytes) -> tuple[str, bytes]:
        """Returns the client's IP address and name, as host_and_name(), once the header is read.

        The address is empty if no limit of a source is for the client. Both are empty if the connection has
        come to nothing: then it is closed, and reported.
        """
        host, name = host_and_name(connection, address)
        self._first = self._proxy = b""
        if "proxy" not in self._acceptor.protocols:
            return host, name
        if self._proxies.of(host):
            return self._turn_away(connection, name, report.UNTRUSTED_PROXY, b"")
        if not host:  # a Unix socket's connection has no deadlines yet, and its client may have an address
            self.prepare(connection)
        self._proxy = name
        size = _recv(connection, self._buffer, _PIECE, MSG_DONTWAIT)
        if size < 0:
            limit_receive(connection, _MOMENT)
            size = _recv(connection, self._buffer, _PIECE, 0)
            limit_receive(connection, self._timevals[0])
        # Of an array of Char, a slice is bytes.
        data: bytes = self._buffer[:size] if size > 0 else b""  # type: ignore[assignment]
        try:
            header = parse(data)
        except HeaderError as error:
            return self._turn_away(connection, name, error.reason, data)
        if header is None:
            header, reason, data = self._wait_for_header(connection, name, data)
            if header is None:
                return self._turn_away(connection, name, reason, data)
        size, client, port = header
        self._first = data[size:]
        if not client:
            return "", name
        client, client_name = host_and_name(connection, (client, port))
        return ("" if client_name == name else client), client_name

    def accepted(self, kind: int, handler: int, asks: bool, peer: bytes) -> bytes:
        """Returns the report of calcd.handler.report.accepted(), with the proxy if there is one."""
        if not self._proxy:
            return report.accepted(kind, handler, asks, peer)
        return report.proxied(report.PROXIED, handler, asks, peer, self._proxy)

    def _wait_for_header(
        self, connection: int, proxy: bytes, data: bytes
    ) -> tuple[Header | None, int, bytes]:
        """Reads on behind data. Returns the header, or None and the reason; and all that has come."""
        due = monotonic() + self._limits.proxy_timeout
        self._report(report.arrived(report.ARRIVED, getpid()))
        self._show(self._title, 0, b"calcd: waiting for the header of " + proxy)
        self._connection = connection
        header, reason = None, 0
        while header is None:
            until = min(due, self._drained_by or due)
            left = until - monotonic()
            if left <= 0:
                reason = report.HEADER_LATE
                if until != due:  # a drain is over: the session reads nothing, and no rest of a header either
                    header = len(data), "", 0
                break
            self._limit_receive(left)
            try:
                piece = read(connection, _PIECE)
            except BlockingIOError:  # the time is over, or a signal has changed it
                continue
            except OSError:  # a reset
                piece = b""
            data += piece
            if not piece:
                reason = report.HEADER_CUT_OFF
                if not data:  # a proxy that leaves without a word was there for itself
                    header = 0, "", 0
                break
            try:
                header = parse(data)
            except HeaderError as error:
                reason = error.reason
                break
        self._set_timeout(None)
        self._connection = -1
        self._show(self._title, 0, IDLE)
        return header, reason, data

    def _turn_away(self, connection: int, proxy: bytes, reason: int, data: bytes) -> tuple[str, bytes]:
        close(connection)
        self._report(report.header_refused(report.HEADER_REFUSED, getpid(), reason, proxy, data))
        return "", b""

    def _report(self, record: bytes) -> None:
        try:
            write(self._reports, report.START + record)
        except BrokenPipeError:  # listener and supervisor have died: the client is served anyway
            pass
