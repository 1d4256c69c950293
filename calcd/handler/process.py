"""The process around a session: what a fork of the listener sheds, and how it leaves."""

from __future__ import annotations

import os
import sys
from _socket import AF_UNIX, SOCK_SEQPACKET, socketpair
from os import close, getpid, write

from calcd import signals
from calcd.handler.report import encode
from calcd.handler.session import Session
from calcd.protocol.answers import QUIT, REQUEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from calcd.confinement import Filter
    from calcd.title import Title

# Python 3.11 adapts code after 8 runs, and what it finds there in some steps more.
_REHEARSALS = 32


class Handler:
    """Made by the listener before its first fork; run() in every fork."""

    __slots__ = ("_filter", "_inherited", "_reports", "_session", "_title")

    def __init__(self, reports: int, title: Title, inherited: Sequence[int], own_filter: Filter) -> None:
        """reports is the pipe that reports go to, inherited the listener's other file descriptors: what the
        list holds at the time of a fork."""
        self._filter = own_filter
        self._session = Session()
        self._title = title
        self._rehearse()
        self._reports = reports
        self._inherited = inherited
        # Blocked in the listener: in a handler it comes through as soon as run() lets it.
        signals.handle(signals.SIGTERM, self._session.drain)

    def run(self, connection: int, peer: bytes) -> NoReturn:
        """Serves the connection, a file descriptor, and exits: 0, or 70 (EX_SOFTWARE) with a traceback on
        standard error.

        It leaves by os._exit: an ordinary end of the interpreter costs 2 to 7 ms and would run what the
        listener has registered for its own end.
        """
        status = os.EX_SOFTWARE
        try:
            signals.unblock_all()
            self._filter.enforce()  # from here on, only what calcd.listener.system_calls lists
            self._serve(connection, peer)
            status = os.EX_OK
        finally:
            if status != os.EX_OK:
                _print_traceback(sys.exc_info()[1])
            os._exit(status)

    def _serve(self, connection: int, peer: bytes) -> None:
        # A listening socket kept here would hold its port for as long as the connection lasts.
        for fd in self._inherited:
            close(fd)
        self._title.set(b"calcd: serving " + peer)
        ending, requests, received, sent = self._session.serve(connection)
        try:
            write(self._reports, encode(getpid(), ending, requests, received, sent))
        except BrokenPipeError:  # listener and supervisor are gone: nobody to tell
            pass

    def _rehearse(self) -> None:
        """Serves a few connections to nobody: a fork finds its code as the interpreter has adapted it.

        From Python 3.11 on (PEP 659), code that has run some times is rewritten to look for things where
        they were before. A handler that has to look everywhere touches 16 pages of memory more.
        """
        self._inherited = ()
        self._reports = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        for _ in range(_REHEARSALS):
            # Of packets, so that each read gets one request: a client that waits for every answer.
            client, connection = socketpair(AF_UNIX, SOCK_SEQPACKET)
            for oper in range(QUIT + 1):
                client.send(REQUEST.pack(oper, 6, 7))
            self._serve(connection.detach(), b"nobody")
            client.close()
        os.close(self._reports)


def _print_traceback(error: BaseException | None) -> None:
    """As Python would, less the source lines: a handler may not open files to look for them."""
    lines = ["Traceback (most recent call last):"]
    at = error.__traceback__ if error else None
    while at:
        code = at.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {at.tb_lineno}, in {code.co_qualname}')
        at = at.tb_next
    lines.append(f"{type(error).__name__}: {error}\n")
    write(2, "\n".join(lines).encode(errors="backslashreplace"))
