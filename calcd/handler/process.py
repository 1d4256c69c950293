"""The life of a handler process: it closes what it inherited, accepts and serves connections, and exits."""

from __future__ import annotations

import math
import os
import sys
from _signal import ITIMER_REAL, SIG_SETMASK, setitimer
from os import EX_OK, EX_SOFTWARE, _exit, close, getpid, getppid, write
from time import monotonic_ns, process_time, sleep

from calcd.handler.acceptor import CONNECTION_GONE, OUT_OF_RESOURCES
from calcd.handler.listener_signals import ADMITTED, ANSWERS, BLOCKED, STOP_ACCEPTING
from calcd.handler.peers import host_and_name
from calcd.handler.report import (
    ACCEPTED,
    ENDED,
    EXIT_NO_MEMORY,
    FAILED,
    PROGRESS,
    START,
    accepted,
    ended,
    failed,
    progress,
)
from calcd.handler.session import Session
from calcd.handler.tracebacks import print_traceback
from calcd.linux import signals
from calcd.linux.prctl import PR_SET_PDEATHSIG, PR_SET_SECCOMP, bare_prctl
from calcd.linux.seccomp import FILTER_NOT_TAKEN, SECCOMP_MODE_FILTER
from calcd.linux.signals import bare_sigprocmask
from calcd.protocol.resp.dialogue import Dialogue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType
    from typing import Any

    from calcd.handler.acceptor import Acceptor
    from calcd.handler.client_ids import ClientIds
    from calcd.handler.published import Published
    from calcd.handler.sources import Sources
    from calcd.linux.process_title import Title
    from calcd.linux.seccomp import Filter
    from calcd.settings.limits import Limits

    # As calcd.handler.peers.host_and_name().
    Identify = Callable[[int, tuple[Any, ...] | str | bytes], tuple[str, bytes]]

# Seconds between two SIGALRMs after a connection's lifetime. calcd.handler.deadlines, 4, says why one is not
# enough.
_REMINDER_INTERVAL = 0.1
# Seconds without accepting if the system lacks what accept(2) needs: trying again at once would spin.
_PAUSE = 0.1
IDLE = b"calcd: waiting for a connection"
# An accept(2) that has come back so often without a connection is not waited in any more.
_VAIN_WAITS = 100
# Seconds between two checks that the listener is alive, while a handler waits for its answer.
_CHECK_INTERVAL = 1.0


class Handler:
    """A handler. The listener makes the object before its first fork, and each fork calls run()."""

    __slots__ = (
        "_accept",
        "_accept_when_ready",
        "_accepted",
        "_acceptor",
        "_admission_requests",
        "_files_for_accepting",
        "_filter",
        "_has_limits_of_source",
        "_identify",
        "_inherited",
        "_is_warm_up",
        "_left",
        "_lifetime",
        "_listener",
        "_reports",
        "_session",
        "_show",
        "_sources",
        "_time_for_reuse",
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
        published: Published,
        client_ids: ClientIds,
        own_filter: Filter,
        proxies: Sources | None = None,
        tells_progress: bool = True,
        is_warm_up: bool = False,
    ) -> None:
        """reports is the writing end of the reports' pipe. admission_requests is the eventfd that makes the
        listener read the pipe at once. inherited lists the listener's other file descriptors, which run()
        closes. proxies has those of ProxySources= as exempt ones, and is None if no socket is proxied.
        tells_progress says that the supervisor takes reports of connections that go on, too: it gets them if
        the listener dies. In a warm-up, which runs in the listener itself, run() returns."""
        self._acceptor = acceptor
        self._accept = acceptor.accept
        self._accept_when_ready = acceptor.accept_when_ready
        self._files_for_accepting = [*acceptor.files(), admission_requests]
        self._filter = own_filter.argument
        self._is_warm_up = is_warm_up
        dialogue = Dialogue(published.info, client_ids.next)
        tell = self._tell_progress if tells_progress else _tell_nobody
        # Who the client of a connection is, and the report of it.
        self._identify: Identify = host_and_name
        self._accepted: Callable[[int, int, bool, bytes], bytes] = accepted
        if proxies is None:
            self._session = Session(limits, dialogue, tell)
        else:
            from calcd.handler.proxied import ProxiedSession  # noqa: PLC0415 - nobody else pays for it

            self._session = session = ProxiedSession(
                limits, dialogue, tell, acceptor=acceptor, proxies=proxies, reports=reports, title=title
            )
            self._identify, self._accepted = session.identify, session.accepted
        self._reports = reports
        self._admission_requests = admission_requests
        self._show, self._title = title.write, title.arguments
        self._inherited = inherited
        self._sources = sources
        self._has_limits_of_source = (
            limits.max_connections_per_source < math.inf or limits.max_rate_per_source < math.inf
        )
        # The number of connections that the handler may still accept.
        left = limits.connections_per_handler
        self._left = left if left == math.inf else int(left)
        # A handler that has used more CPU time than this, in seconds, serves no further connection. So each
        # connection has at least half of the CPU time that a handler may take.
        self._time_for_reuse = limits.handler_cpu_time / 2
        self._lifetime = None if limits.connection_lifetime == math.inf else limits.connection_lifetime
        self._listener = getpid()
        # The listener has these signals blocked. run() unblocks them in the handler.
        signals.handle(signals.SIGTERM, self._terminate)
        signals.handle(STOP_ACCEPTING, self._stop_accepting)
        if self._lifetime is not None:
            signals.handle(signals.SIGALRM, self._session.drain)

    def prepare(self, listening: int) -> None:
        """Sets the first deadlines on a listening socket. TCP connections inherit them."""
        self._session.prepare(listening)

    def run(self) -> None:  # noqa: PLR0912, PLR0915 - see 2
        """Serves connections, then exits with status 0, EXIT_NO_MEMORY, or 70 (EX_SOFTWARE) and a traceback
        on standard error.

        1.  It exits by os._exit. An ordinary end of the interpreter costs 2 to 7 ms, and would run the exit
            functions of the listener.
        2.  Everything that each connection needs is written out here, except the session. In a fresh handler,
            each function called costs up to two pages of memory to copy, for itself and for its code. Nine
            functions less saved 14 page faults and 60 KiB for each connection.
        3.  accept(2) keeps the receive timeout of its socket, which connections inherit, and so ends after
            some idle time. The handler then waits in it again, and not in the epoll, whose first use is 17
            page faults. It does not do so for ever, because each time takes some of its CPU time. Behind a
            reload that has added a second socket, accept(2) does not wait at all.
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
            show(title, 0, IDLE)
            accept, identify, accepted = self._accept, self._identify, self._accepted
            vain_waits = 0
            while self._left:
                try:
                    connection, address = accept()
                except BlockingIOError:  # 3
                    vain_waits += 1
                    if vain_waits > _VAIN_WAITS:
                        accept = self._accept_when_ready
                    continue
                except OSError as error:
                    if self._left:  # else _stop_accepting() has closed the sockets
                        self._failed(error)
                    continue
                began = monotonic_ns()
                host, peer = identify(connection, address)
                if not host:
                    if not peer:  # a proxy's connection that has come to nothing
                        continue
                    self._session.prepare(connection)
                asks = self._has_limits_of_source and self._sources.of(host) != ""
                try:
                    write(self._reports, START + accepted(ACCEPTED, getpid(), asks, peer))
                except BrokenPipeError:  # listener and supervisor have died: the client is served anyway
                    pass
                if asks and not self._is_admitted():
                    close(connection)
                    continue
                self._left -= 1
                if self._left <= 0:
                    self._stop_accepting()
                if self._lifetime is not None:
                    setitimer(ITIMER_REAL, self._lifetime, _REMINDER_INTERVAL)
                if self._filter:
                    # From here on, only the calls in calcd.listener.system_calls are allowed.
                    if bare_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self._filter):
                        raise OSError(FILTER_NOT_TAKEN)
                    self._filter = b""
                show(title, 0, b"calcd: serving " + peer)
                outcome = self._session.serve(connection, self._acceptor.protocols, peer)
                if self._left:
                    self._clear_away()
                microseconds = (monotonic_ns() - began) // 1000
                write(self._reports, START + ended(ENDED, getpid(), not self._left, microseconds, *outcome))
            status = EX_OK
        except BrokenPipeError:  # listener and supervisor have died: nobody takes the report
            status = EX_OK
        except MemoryError:
            status = EXIT_NO_MEMORY
        finally:
            if status == EX_SOFTWARE:
                print_traceback(sys.exc_info()[1])
            if not self._is_warm_up:
                _exit(status)

    def _tell_progress(self, sums: tuple[int, ...]) -> None:
        try:
            write(self._reports, START + progress(PROGRESS, getpid(), *sums))
        except BrokenPipeError:  # listener and supervisor have died: the client is served to its end
            pass

    def _clear_away(self) -> None:
        """Prepares for the next connection, so that nothing of this one affects it."""
        if self._lifetime is not None:
            setitimer(ITIMER_REAL, 0)
        self._session.forget()
        if process_time() > self._time_for_reuse:
            self._stop_accepting()
        self._show(self._title, 0, IDLE)

    def _is_admitted(self) -> bool:
        """Makes an admission request and waits for the answer. If the listener has died, the connection is
        admitted."""
        try:
            os.eventfd_write(self._admission_requests, 1)
        except OSError:
            pass  # closed by _stop_accepting(), or full: the listener reads the report a little later
        while (answer := signals.wait_for(ANSWERS, _CHECK_INTERVAL)) is None:
            if getppid() != self._listener:
                return True
        return bool(answer == ADMITTED)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        """Handles SIGTERM: drains."""
        self._session.drain(number, frame)
        self._stop_accepting()

    def _stop_accepting(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Handles STOP_ACCEPTING: the handler accepts no further connection.

        1.  The listener sends the signal, or the kernel does when the listener dies (PR_SET_PDEATHSIG in
            prctl(2)).
        2.  No exception is raised, because accept(2) may just have returned a connection. An interrupted
            accept(2) starts again (PEP 475) and fails, because its socket is closed.
        3.  A handler that may serve several connections keeps the listening sockets open while it serves.
            They must be closed here. Otherwise their addresses would stay in use with nobody to accept.
        """
        self._left = 0
        # Swapped first, because the signal may come again at any time.
        files, self._files_for_accepting = self._files_for_accepting, []
        for fd in files:
            close(fd)

    def _failed(self, error: OSError) -> None:
        """accept(2) has failed. Reports it, and raises the error if it is an unexpected one."""
        write(self._reports, START + failed(FAILED, getpid(), error.errno or 0))
        if error.errno in OUT_OF_RESOURCES:
            sleep(_PAUSE)
        elif error.errno not in CONNECTION_GONE:
            raise error


def _tell_nobody(_sums: tuple[int, ...]) -> None:
    pass
