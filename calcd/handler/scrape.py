"""The life of a process that answers one scrape: an HTTP request for the metrics."""

from __future__ import annotations

import os
import sys
from _signal import ITIMER_REAL, SIG_SETMASK, setitimer
from _socket import SHUT_WR
from os import EX_OK, EX_SOFTWARE, _exit

from calcd.handler.listener_signals import BLOCKED, STOP_ACCEPTING
from calcd.handler.tracebacks import print_traceback
from calcd.linux import signals
from calcd.linux.signals import bare_sigprocmask
from calcd.linux.socket_view import SocketView
from calcd.protocol import http

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from calcd.handler.published import Published
    from calcd.linux.process_title import Title
    from calcd.linux.seccomp import Filter

_PATH = b"/metrics"
_CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
# Seconds that a scrape may take. Then SIGALRM ends its process, whatever that does.
_TIME = 5.0
_TITLE = b"calcd: answering a scrape"
_HINTS = {
    http.BAD_REQUEST: b"This is no HTTP request that calcd knows.\n",
    http.NOT_FOUND: b"The metrics of calcd are at /metrics.\n",
    http.METHOD_NOT_ALLOWED: b"Only GET and HEAD are allowed.\n",
    http.TOO_LARGE: b"The request is too large.\n",
    http.UNAVAILABLE: b"No metrics are published: restart calcd.\n",
}


class Scrape:
    """What all of these processes do. The listener makes the object before its first fork."""

    def __init__(self, published: Published, own_filter: Filter, title: Title) -> None:
        self._published = published
        self._filter = own_filter
        self._title = title

    def run(self, connection: int, inherited: Iterable[int]) -> None:
        """Answers the request that comes on the connection, a file descriptor, and exits. inherited are the
        listener's other file descriptors."""
        status = EX_SOFTWARE
        try:
            # A stop of calcd, or a listener that leaves, is no reason to leave a scrape without an answer.
            signals.ignore((signals.SIGTERM, STOP_ACCEPTING))
            signals.end_at(signals.SIGALRM)
            setitimer(ITIMER_REAL, _TIME)
            bare_sigprocmask(SIG_SETMASK, BLOCKED, None)
            for fd in inherited:
                if fd != connection:
                    _close(fd)
            self._title.set(_TITLE)
            self._filter.enforce()
            try:
                self._answer(connection)
            except OSError:  # the client has left, or the network has failed: nobody waits for an answer
                pass
            status = EX_OK
        finally:
            if status == EX_SOFTWARE:
                print_traceback(sys.exc_info()[1])
            _exit(status)

    def _answer(self, connection: int) -> None:
        request = b""
        while not http.has_head(request) and len(request) < http.HEAD_SIZE:
            data = os.read(connection, http.HEAD_SIZE - len(request))
            if not data:
                break
            request += data
        status = http.status_of(request, _PATH)
        text = self._published.metrics() if status == http.OK else b""
        if status == http.OK and not text:
            status = http.UNAVAILABLE
        if status == http.OK:
            reply = http.response(status, request, text, _CONTENT_TYPE)
        else:
            reply = http.response(status, request, _HINTS[status])
        while reply:
            reply = reply[os.write(connection, reply) :]
        # In two halves: what the client sends on, and nobody has read, would reset the connection.
        with SocketView(connection) as view:
            view.shutdown(SHUT_WR)
        while os.read(connection, http.HEAD_SIZE):
            pass


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:  # the listener has closed it before the fork
        pass
