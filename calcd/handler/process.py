"""The process around sessions: what a fork of the listener sheds, whom it serves, how it leaves."""

from __future__ import annotations

import errno
import math
import os
import sys
from _signal import ITIMER_REAL, SIG_SETMASK, setitimer
from _socket import AF_UNIX, SOCK_SEQPACKET, socket
from os import EX_OK, EX_SOFTWARE, _exit, close, getpid, getppid, write
from resource import RLIM_INFINITY, RLIMIT_CPU, RLIMIT_DATA, getrlimit, setrlimit
from time import monotonic_ns, process_time, sleep

from calcd import signals
from calcd.confinement import FILTER_NOT_TAKEN, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, Filter, prctl
from calcd.handler.acceptor import Acceptor
from calcd.handler.peers import host_and_name
from calcd.handler.report import ACCEPTED, ENDED, EXIT_NO_MEMORY, FAILED, START, accepted, ended, failed
from calcd.handler.session import Session
from calcd.handler.sources import Sources
from calcd.protocol.answers import QUIT, REQUEST
from calcd.signals import LEAVE, NOT_IN_HANDLERS, PR_SET_PDEATHSIG, sigprocmask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from calcd.limits import Limits
    from calcd.title import Title

# Seconds between two SIGALRMs once a connection's lifetime is over: calcd.handler.session, 4.
_REMINDER = 0.1
# Seconds without accepting when the system is out of what accept(2) needs: trying again at once would spin.
_PAUSE = 0.1
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# What accept(2) says of a connection that is gone before it could be returned ("Error handling").
CONNECTION_GONE = frozenset(
    {
        errno.ECONNABORTED,
        errno.EPERM,
        errno.EPROTO,
        errno.ENETDOWN,
        errno.ENOPROTOOPT,
        errno.EHOSTDOWN,
        errno.ENONET,
        errno.EHOSTUNREACH,
        errno.EOPNOTSUPP,
        errno.ENETUNREACH,
    }
)
_IDLE = b"calcd: waiting for a connection"
# Seconds between two looks whether the listener, asked about a connection, is still there.
_LOOK = 1.0
# Python 3.11 adapts code after 8 runs, and what it finds there in some steps more.
_REHEARSALS = 32


class Handler:
    """Made by the listener before its first fork; run() in every fork."""

    __slots__ = (
        "_accept",
        "_accept_when_ready",
        "_filter",
        "_for_accepting",
        "_has_limits_of_source",
        "_inherited",
        "_is_rehearsal",
        "_left",
        "_lifetime",
        "_listener",
        "_questions",
        "_reports",
        "_session",
        "_show",
        "_sources",
        "_time",
        "_title",
    )

    def __init__(
        self,
        *,
        acceptor: Acceptor,
        reports: int,
        questions: int,
        title: Title,
        inherited: Sequence[int],
        limits: Limits,
        sources: Sources,
        own_filter: Filter,
        is_rehearsal: bool = False,
    ) -> None:
        """reports is the pipe that reports go to, questions the eventfd that has the listener look there at
        once; inherited are the listener's other file descriptors: what the list holds at a fork. A rehearsal
        is the listener's own, and run() returns from it."""
        self._accept = acceptor.accept
        self._accept_when_ready = acceptor.accept_when_ready
        self._for_accepting = [*acceptor.files(), questions]
        self._filter = own_filter.argument
        self._is_rehearsal = is_rehearsal
        self._session = Session(limits)
        self._reports = reports
        self._questions = questions
        self._show, self._title = title.write, title.arguments
        self._inherited = inherited
        self._sources = sources
        self._has_limits_of_source = (
            limits.max_connections_per_source < math.inf or limits.max_rate_per_source < math.inf
        )
        left = limits.connections_per_handler
        self._left = left if left == math.inf else int(left)
        # No connection gets less processor time than half of what a handler may take.
        self._time = limits.handler_cpu_time / 2
        self._lifetime = None if limits.connection_lifetime == math.inf else limits.connection_lifetime
        self._listener = getpid()
        # Blocked in the listener: in a handler they come through as soon as run() lets them.
        signals.handle(signals.SIGTERM, self._terminate)
        signals.handle(LEAVE, self._leave)
        if self._lifetime is not None:
            signals.handle(signals.SIGALRM, self._session.drain)

    def prepare(self, listening: int) -> None:
        """Lets TCP's connections inherit their first deadlines: the kernel clones the socket."""
        self._session.prepare(listening)

    def run(self) -> None:  # noqa: PLR0912, PLR0915 - see 2
        """Serves connections, and exits: 0, EXIT_NO_MEMORY, or 70 (EX_SOFTWARE) with a traceback on standard
        error.

        1.  It leaves by os._exit: an ordinary end of the interpreter costs 2 to 7 ms and would run what the
            listener has registered for its own end.
        2.  What every connection takes is written out here, less the session. In a fresh handler each
            function that is called is up to two pages of memory to copy, its own and its code's: nine of
            them less were 14 page faults and 60 KiB less for each connection.
        """
        status = EX_SOFTWARE
        try:
            if not self._is_rehearsal:
                sigprocmask(SIG_SETMASK, NOT_IN_HANDLERS, None)
                prctl(PR_SET_PDEATHSIG, LEAVE)
                if getppid() != self._listener:
                    self._accept_no_more()
            for fd in self._inherited:
                close(fd)
            show, title = self._show, self._title
            show(title, 0, _IDLE)
            accept = self._accept
            while self._left:
                try:
                    connection, address = accept()
                except BlockingIOError:  # another was faster, or a reload has made the socket one of several
                    accept = self._accept_when_ready
                    continue
                except OSError as error:
                    if self._left:  # else there is nothing to accept with
                        self._failed(error)
                    continue
                began = monotonic_ns()
                host, peer = host_and_name(connection, address)
                if not host:
                    self._session.prepare(connection)
                asks = self._has_limits_of_source and self._sources.of(host) != ""
                try:
                    write(self._reports, START + accepted(ACCEPTED, getpid(), asks, peer))
                except BrokenPipeError:  # listener and supervisor are gone: the client is served all the same
                    pass
                if asks and not self._is_admitted():
                    close(connection)
                    continue
                self._left -= 1
                if self._left <= 0:
                    self._accept_no_more()
                if self._lifetime is not None:
                    setitimer(ITIMER_REAL, self._lifetime, _REMINDER)
                if self._filter:
                    # From here on, only what calcd.listener.system_calls lists.
                    if prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self._filter):
                        raise OSError(FILTER_NOT_TAKEN)
                    self._filter = b""
                show(title, 0, b"calcd: serving " + peer)
                outcome = self._session.serve(connection)
                if self._left:
                    self._clear_away()
                microseconds = (monotonic_ns() - began) // 1000
                write(self._reports, START + ended(ENDED, getpid(), not self._left, microseconds, *outcome))
            status = EX_OK
        except BrokenPipeError:  # nobody is there to be told of the end either
            status = EX_OK
        except MemoryError:
            status = EXIT_NO_MEMORY
        finally:
            if status == EX_SOFTWARE:
                _print_traceback(sys.exc_info()[1])
            if not self._is_rehearsal:
                _exit(status)

    def _clear_away(self) -> None:
        """Before the next connection: nothing of this one is left for it."""
        if self._lifetime is not None:
            setitimer(ITIMER_REAL, 0)
        self._session.forget()
        if process_time() > self._time:
            self._accept_no_more()
        self._show(self._title, 0, _IDLE)

    def _is_admitted(self) -> bool:
        """Asks the listener. One that has died had accepted this connection, as it were."""
        try:
            os.eventfd_write(self._questions, 1)
        except OSError:
            pass  # closed by _accept_no_more(), or full: the report is read a little later, then
        while (answer := signals.wait_for(signals.ANSWERS, _LOOK)) is None:
            if getppid() != self._listener:
                return True
        return bool(answer == signals.ADMITTED)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        """Handles SIGTERM."""
        self._session.drain(number, frame)
        self._accept_no_more()

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        """Handles LEAVE: no connection follows the one that it has, if any.

        1.  The signal is the listener's, or the kernel's when the listener dies (PR_SET_PDEATHSIG in
            prctl(2)).
        2.  No exception is thrown into accept(2), which might just have returned a connection: the call that
            was interrupted starts again (PEP 475), and fails, because what it accepts from is closed.
        3.  Who serves a connection has the listening sockets open if another may follow, and their addresses
            would stay taken, with nobody to accept who connects.
        """
        self._accept_no_more()

    def _accept_no_more(self) -> None:
        self._left = 0
        files, self._for_accepting = self._for_accepting, []  # at once: a signal may come at any time
        for fd in files:
            close(fd)

    def _failed(self, error: OSError) -> None:
        """accept(2) has failed."""
        write(self._reports, START + failed(FAILED, getpid(), error.errno or 0))
        if error.errno in _OUT_OF_RESOURCES:
            sleep(_PAUSE)
        elif error.errno not in CONNECTION_GONE:
            raise error


def rehearse(title: Title, limits: Limits, sources: Sources) -> None:
    """Serves a few connections to nobody: a fork finds its code as the interpreter has adapted it.

    From Python 3.11 on (PEP 659), code that has run some times is rewritten to look for things where they
    were before. A handler that has to look everywhere touches 16 pages of memory more.
    """
    reports = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    # Of packets, so that each read gets one request: a client that waits for every answer.
    listening = socket(AF_UNIX, SOCK_SEQPACKET)
    listening.bind("")  # the kernel picks a name: unix(7), "Autobind feature"
    listening.listen()
    acceptor = Acceptor([listening])
    handler = Handler(
        acceptor=acceptor,
        reports=reports,
        questions=-1,
        title=title,
        inherited=(),
        # Those that change which way it goes, and none that a client could reach.
        limits=limits.of("max_connections_per_source", "max_rate_per_source"),
        sources=sources,
        own_filter=Filter(b""),
        is_rehearsal=True,
    )
    handler._for_accepting = []
    for _ in range(_REHEARSALS):
        client = socket(AF_UNIX, SOCK_SEQPACKET)
        client.connect(listening.getsockname())
        for oper in range(QUIT + 1):
            client.send(REQUEST.pack(oper, 6, 7))
        handler._left = 1  # what another connection takes, a handler that gets one rehearses itself
        handler.run()
        host_and_name(-1, ("127.0.0.1", 7070))  # a Unix socket has other names
        client.close()
    acceptor.close()
    listening.close()
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
