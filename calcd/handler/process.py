"""The process around sessions: what a fork of the listener sheds, whom it serves, how it leaves."""

from __future__ import annotations

import errno
import math
import os
import sys
from _signal import ITIMER_REAL, SIG_SETMASK, setitimer
from os import EX_OK, EX_SOFTWARE, _exit, close, getpid, getppid, write
from time import monotonic_ns, process_time, sleep

from calcd.handler.commands import ADMITTED, ANSWERS, BLOCKED, STOP_ACCEPTING
from calcd.handler.peers import host_and_name
from calcd.handler.report import ACCEPTED, ENDED, EXIT_NO_MEMORY, FAILED, START, accepted, ended, failed
from calcd.handler.session import Session
from calcd.linux import signals
from calcd.linux.prctl import PR_SET_PDEATHSIG, PR_SET_SECCOMP, bare_prctl
from calcd.linux.seccomp import FILTER_NOT_TAKEN, SECCOMP_MODE_FILTER
from calcd.linux.signals import bare_sigprocmask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from calcd.handler.acceptor import Acceptor
    from calcd.handler.sources import Sources
    from calcd.linux.process_title import Title
    from calcd.linux.seccomp import Filter
    from calcd.settings.limits import Limits

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


class Handler:
    """Made by the listener before its first fork; run() in every fork."""

    __slots__ = (
        "_accept",
        "_accept_when_ready",
        "_admission_requests",
        "_filter",
        "_for_accepting",
        "_has_limits_of_source",
        "_inherited",
        "_is_warm_up",
        "_left",
        "_lifetime",
        "_listener",
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
        admission_requests: int,
        title: Title,
        inherited: Sequence[int],
        limits: Limits,
        sources: Sources,
        own_filter: Filter,
        is_warm_up: bool = False,
    ) -> None:
        """reports is the pipe that reports go to, admission_requests the eventfd that has the listener look
        there at once; inherited are the listener's other file descriptors: what the list holds at a fork. A
        warm-up is the listener's own, and run() returns from it."""
        self._accept = acceptor.accept
        self._accept_when_ready = acceptor.accept_when_ready
        self._for_accepting = [*acceptor.files(), admission_requests]
        self._filter = own_filter.argument
        self._is_warm_up = is_warm_up
        self._session = Session(limits)
        self._reports = reports
        self._admission_requests = admission_requests
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
        signals.handle(STOP_ACCEPTING, self._stop_accepting)
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
            if not self._is_warm_up:
                bare_sigprocmask(SIG_SETMASK, BLOCKED, None)
                bare_prctl(PR_SET_PDEATHSIG, STOP_ACCEPTING)
                if getppid() != self._listener:
                    self._stop_accepting()
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
                    self._stop_accepting()
                if self._lifetime is not None:
                    setitimer(ITIMER_REAL, self._lifetime, _REMINDER)
                if self._filter:
                    # From here on, only what calcd.listener.system_calls lists.
                    if bare_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self._filter):
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
            if not self._is_warm_up:
                _exit(status)

    def _clear_away(self) -> None:
        """Before the next connection: nothing of this one is left for it."""
        if self._lifetime is not None:
            setitimer(ITIMER_REAL, 0)
        self._session.forget()
        if process_time() > self._time:
            self._stop_accepting()
        self._show(self._title, 0, _IDLE)

    def _is_admitted(self) -> bool:
        """Asks the listener. One that has died had accepted this connection, as it were."""
        try:
            os.eventfd_write(self._admission_requests, 1)
        except OSError:
            pass  # closed by _stop_accepting(), or full: the report is read a little later, then
        while (answer := signals.wait_for(ANSWERS, _LOOK)) is None:
            if getppid() != self._listener:
                return True
        return bool(answer == ADMITTED)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        """Handles SIGTERM."""
        self._session.drain(number, frame)
        self._stop_accepting()

    def _stop_accepting(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """No connection follows the one that it has, if any. Handles the signal STOP_ACCEPTING.

        1.  The signal is the listener's, or the kernel's when the listener dies (PR_SET_PDEATHSIG in
            prctl(2)).
        2.  No exception is thrown into accept(2), which might just have returned a connection: the call that
            was interrupted starts again (PEP 475), and fails, because what it accepts from is closed.
        3.  Who serves a connection has the listening sockets open if another may follow, and their addresses
            would stay taken, with nobody to accept who connects.
        """
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
