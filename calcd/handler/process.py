"""The process around a session: what a fork of the listener sheds, and how it leaves."""

from __future__ import annotations

import math
import os
import sys
from _signal import ITIMER_REAL, setitimer
from _socket import AF_UNIX, SOCK_SEQPACKET, socketpair
from os import close, getpid, write
from resource import RLIM_INFINITY, RLIMIT_CPU, RLIMIT_DATA, getrlimit, setrlimit

from calcd import signals
from calcd.confinement import Filter
from calcd.handler.report import EXIT_NO_MEMORY, encode
from calcd.handler.session import Session
from calcd.limits import NO_LIMITS
from calcd.protocol.answers import QUIT, REQUEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from calcd.limits import Limits
    from calcd.title import Title

# Seconds between two SIGALRMs once a connection's lifetime is over: calcd.handler.session, 4.
_REMINDER = 0.1
# Python 3.11 adapts code after 8 runs, and what it finds there in some steps more.
_REHEARSALS = 32


class Handler:
    """Made by the listener before its first fork; run() in every fork."""

    __slots__ = ("_filter", "_inherited", "_lifetime", "_reports", "_session", "_title", "prepare")

    def __init__(
        self, reports: int, title: Title, inherited: Sequence[int], limits: Limits, own_filter: Filter
    ) -> None:
        """reports is the pipe that reports go to, inherited the listener's other file descriptors: what the
        list holds at the time of a fork."""
        self._filter = own_filter
        self._session = Session(limits)
        self.prepare = self._session.prepare
        self._reports = reports
        self._title = title
        self._inherited = inherited
        self._lifetime = None if limits.connection_lifetime == math.inf else limits.connection_lifetime
        # Blocked in the listener: in a handler it comes through as soon as run() lets it.
        signals.handle(signals.SIGTERM, self._session.drain)

    def run(self, connection: int, peer: bytes) -> NoReturn:
        """Serves the connection, a file descriptor, and exits: 0, EXIT_NO_MEMORY, or 70 (EX_SOFTWARE)
        with a traceback on standard error.

        It leaves by os._exit: an ordinary end of the interpreter costs 2 to 7 ms and would run what the
        listener has registered for its own end.
        """
        status = os.EX_SOFTWARE
        try:
            signals.unblock_all()
            self._serve(connection, peer)
            status = os.EX_OK
        except MemoryError:
            os._exit(EXIT_NO_MEMORY)
        finally:
            if status != os.EX_OK:
                _print_traceback(sys.exc_info()[1])
            os._exit(status)

    def _serve(self, connection: int, peer: bytes) -> None:
        # A listening socket kept here would hold its port for as long as the connection lasts.
        for fd in self._inherited:
            close(fd)
        if self._lifetime is not None:
            signals.handle(signals.SIGALRM, self._session.drain)
            setitimer(ITIMER_REAL, self._lifetime, _REMINDER)
        self._filter.enforce()  # from here on, only what calcd.listener.system_calls lists
        self._title.set(b"calcd: serving " + peer)
        outcome = self._session.serve(connection)
        try:
            write(self._reports, encode(getpid(), *outcome))
        except BrokenPipeError:  # listener and supervisor are gone: nobody to tell
            pass


def rehearse(title: Title) -> None:
    """Serves a few connections to nobody: a fork finds its code as the interpreter has adapted it.

    From Python 3.11 on (PEP 659), code that has run some times is rewritten to look for things where they
    were before. A handler that has to look everywhere touches 16 pages of memory more.
    """
    reports = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    handler = Handler(reports, title, (), NO_LIMITS, Filter(b""))
    for _ in range(_REHEARSALS):
        # Of packets, so that each read gets one request: a client that waits for every answer.
        client, connection = socketpair(AF_UNIX, SOCK_SEQPACKET)
        for oper in range(QUIT + 1):
            client.send(REQUEST.pack(oper, 6, 7))
        handler._serve(connection.detach(), b"nobody")
        client.close()
    os.close(reports)


def restrict(limits: Limits) -> None:
    """Limits the resources of the caller's handlers: for the listener, whose forks inherit it at no cost.

    Their processor time is their own, and its limit is the listener's as well, whose own time has none: so
    it keeps SIGXCPU blocked, until run() lets the signal through in a handler. What the listener has
    inherited that is less stays.
    """
    signals.block((signals.SIGXCPU,))
    for which, limit in ((RLIMIT_CPU, limits.handler_cpu_time), (RLIMIT_DATA, limits.handler_memory)):
        soft, hard = getrlimit(which)
        if limit != math.inf and (soft == RLIM_INFINITY or limit < soft):
            setrlimit(which, (math.ceil(limit), hard))


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
