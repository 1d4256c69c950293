"""The listener's loop: accept, fork a handler, reap it, tell the supervisor.

It sleeps in one epoll, and every source of events has a method that takes what is there. All that the
listener knows of a connection is its handler's PID and when it was accepted.

What it imports, and what it touches between two forks, is what a connection costs:

1.  fork(2) copies the tables of all memory in use, and exit(2) takes them down again: 30 us for each MB.
    So nothing here imports enum (signal, socket, selectors, json), typing or collections.
2.  A page that is written after a fork is a page fault, in the parent as well as in the child: 2 to 4 us.
    So a connection is a file descriptor here, and the sockets are those of _socket, the C module under
    socket, whose accept makes an object of a dozen pages.
"""

from __future__ import annotations

import errno
import os
import time
from select import EPOLLIN, EPOLLOUT, epoll

from calcd import signals
from calcd.handler.process import Handler, rehearse
from calcd.handler.report import Inbox
from calcd.listener import events, peers
from calcd.listener.admission import ADMITTED, FULL, Admission
from calcd.listener.crossings import Crossings
from calcd.listener.fork import fork
from calcd.listener.signalfd import read_signals
from calcd.timers import Timers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Sequence

    from calcd.confinement import Filter
    from calcd.limits import Limits
    from calcd.listener.sources import Sources
    from calcd.title import Title

SIGNALS = (signals.SIGCHLD, signals.SIGTERM)

# Seconds between two SIGTERMs to handlers that are draining: calcd.handler.session, 3.
_REMINDER = 0.1
# Seconds without accepting when the system is out of what accept(2) or fork(2) needs: trying again at
# once would spin, and exiting would end what is still served. One event in ten seconds tells of each cause.
_PAUSE = 0.1
_TROUBLE_INTERVAL = 10.0
# Seconds between two looks at all handlers, for those that have ended unnoticed.
_LOOK = 0.2
# Seconds between two looks at which limits are still reached.
_SWEEP = 1.0
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# What accept(2) says of a connection that is gone before it could be returned ("Error handling").
_CONNECTION_GONE = frozenset(
    {
        errno.EAGAIN,
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
# The most that epoll_wait(2) returns at a time. Python's own choice, 1,023, takes a buffer of three pages.
_EVENTS = 16
# The most that a listen(2) of calcd's lets wait: Backlog=.
_MAX_BACKLOG = 65_535
# Events that the supervisor has not taken yet; with more than that, accepting waits for it. So their
# memory is bounded (to about 20 MB) and none is ever dropped.
_MAX_UNSENT = 100_000


class Listener:
    def __init__(
        self,
        *,
        sockets: Sequence[socket],
        supervisor: socket,
        reports: tuple[int, int],
        signals: int,
        has_successor: bool,
        drain_time: float,
        limits: Limits,
        sources: Sources,
        title: Title,
        handlers_filter: Filter,
    ) -> None:
        """sockets listen, supervisor is this end of the pair, reports both ends of the handlers' pipe,
        drain_time in seconds. signals is the signalfd of SIGNALS. has_successor says that the sockets are
        systemd's: what waits in their backlog when this listener drains, the next calcd will serve."""
        self._sockets = sockets
        self._supervisor = supervisor
        reading_end, reports_for_handlers = reports
        self._reports = Inbox(reading_end)
        self._signals = signals
        self._has_successor = has_successor
        self._drain_time = drain_time
        self._clients = sources
        self._admission = Admission(limits)
        self._crossings = Crossings(self._tell)
        # A connection that has no handler yet: file descriptor, peer, source, time.monotonic_ns() at its
        # accept.
        self._arrival: tuple[int, bytes, str, int] | None = None
        # By the handler's PID: time.monotonic_ns() at its connection's accept, and the source.
        self._accepted: dict[int, tuple[int, str]] = {}
        self._unsent: list[bytes] = []
        self._wanted = EPOLLIN  # of the supervisor's socket
        self._troubles: dict[tuple[int, str], int] = {}  # errno and call: how often since it was told
        self._is_polling = False
        self._is_leaving = False
        self._is_alone = False  # the supervisor has died
        self._timers = Timers()
        self._epoll = epoll()
        self._sources: dict[int, Callable[[], object]] = {}  # by file descriptor
        self._not_for_handlers = [
            *(listening.fileno() for listening in sockets),
            supervisor.fileno(),
            reading_end,
            signals,
            self._epoll.fileno(),
        ]
        rehearse(title)
        self._handler = Handler(reports_for_handlers, title, self._not_for_handlers, limits, handlers_filter)

    def run(self) -> None:
        """Serves until it is told to leave, or left alone, and every handler has ended."""
        for listening in self._sockets:
            listening.setblocking(False)
            # TCP's connections inherit it (the kernel clones the socket), those of a Unix socket do not.
            self._handler.prepare(listening.fileno())
        self._supervisor.setblocking(False)
        self._watch(self._signals, self._take_signals)
        self._watch(self._supervisor.fileno(), self._take_commands)
        self._tell(events.ready())
        poll, sources, timers = self._epoll.poll, self._sources, self._timers
        while not self._is_leaving or self._arrival or self._accepted or self._unsent:
            may_accept = self._may_accept()
            if may_accept != self._is_polling:
                self._poll_sockets(may_accept)
            timeout = timers.timeout()
            for fd, _ in poll(timeout, _EVENTS):
                if fd in sources:  # still: one of the events before may have ended this one
                    sources[fd]()
            if timeout is not None:
                timers.run_due()

    def _watch(self, fd: int, action: Callable[[], object]) -> None:
        self._epoll.register(fd, EPOLLIN)
        self._sources[fd] = action

    def _ignore(self, fd: int) -> None:
        self._epoll.unregister(fd)
        del self._sources[fd]

    # Connections arrive ---------------------------------------------------------------------------

    def _may_accept(self) -> bool:
        """Otherwise the kernel keeps new connections in the backlog."""
        return not (
            self._is_leaving
            or self._arrival
            or self._admission.is_full()
            or self._timers.is_set("pause")
            or len(self._unsent) > _MAX_UNSENT
        )

    def _poll_sockets(self, wanted: bool) -> None:
        for listening in self._sockets:
            if wanted:
                self._watch(listening.fileno(), lambda listening=listening: self._accept(listening))  # type: ignore[misc]
            else:
                self._ignore(listening.fileno())
        self._is_polling = wanted
        if self._admission.is_full():
            self._reached(FULL, "", affected=0)

    def _accept(self, listening: socket) -> bool:
        """Takes one connection and gives it a handler; False when that can't be."""
        if not self._may_accept():  # any more: another source of the same round said so
            return False
        try:
            connection, address = listening._accept()  # type: ignore[attr-defined] # typeshed has it not
        except OSError as error:
            if error.errno in _OUT_OF_RESOURCES:
                self._pause(error.errno, "accept")
            elif error.errno not in _CONNECTION_GONE:
                raise
            elif error.errno != errno.EAGAIN:
                self._note_trouble(error.errno, "gone")
            return False
        now = time.monotonic_ns()
        host, peer = peers.host_and_name(connection, address)
        source = self._clients.of(host)
        decision = self._admission.decide(source, now)
        if source:
            self._sweep_later()
        if decision != ADMITTED:
            os.close(connection)
            self._reached(decision, source)
            return True
        if self._crossings.present and self._crossings.has(FULL, ""):
            self._reached(FULL, "")
        if not host:
            self._handler.prepare(connection)
        self._arrival = connection, peer, source, now
        self._fork()
        return self._arrival is None

    def _fork(self) -> None:
        """Gives the connection that has arrived a handler, or keeps it for another try."""
        assert self._arrival  # noqa: S101 - for the type checker
        connection, peer, source, accepted = self._arrival
        try:
            handler = fork()
        except OSError as error:
            self._pause(error.errno or errno.EAGAIN, "fork")
            return
        if handler == 0:
            self._handler.run(connection, peer)
        os.close(connection)
        self._arrival = None
        self._accepted[handler] = accepted, source
        self._tell(events.opened(handler, peer))

    def _reached(self, limit: int, source: str, affected: int = 1) -> None:
        self._crossings.reached(limit, source, affected)
        self._sweep_later()

    def _sweep_later(self) -> None:
        if not self._timers.is_set("sweep"):
            self._timers.set("sweep", _SWEEP, self._sweep)

    def _sweep(self) -> None:
        if self._admission.is_full():
            self._crossings.reached(FULL, "", affected=0)
        self._crossings.sweep()
        if self._admission.forget(time.monotonic_ns()) or self._crossings.present:
            self._sweep_later()

    def _pause(self, error: int, call: str) -> None:
        self._timers.set("pause", _PAUSE, self._go_on)
        self._note_trouble(error, call)

    def _go_on(self) -> None:
        if self._arrival:
            self._fork()

    def _note_trouble(self, error: int, call: str) -> None:
        self._troubles[error, call] = self._troubles.get((error, call), 0) + 1
        if not self._timers.is_set("trouble"):
            self._tell_troubles()

    def _tell_troubles(self) -> None:
        if self._troubles:
            for (error, call), times in self._troubles.items():
                self._tell(events.trouble(error, times, call))
            self._troubles.clear()
            self._timers.set("trouble", _TROUBLE_INTERVAL, self._tell_troubles)

    # Handlers end -----------------------------------------------------------------------------------

    def _take_signals(self) -> None:
        """
        1.  wait(2) for any child looks at each of them, which took half of a listener's time with 5,000
            connections open. So a handler is waited for by its PID, which the signal tells, or its report.
        2.  One SIGCHLD can stand for many, and one that was killed has not reported: now and then, a look at
            all finds it.
        """
        for number, pid in read_signals(self._signals):
            if number == signals.SIGCHLD:
                self._reap(pid)
            else:
                self._drain()
        if self._accepted:
            for handler in self._reports.read():
                self._reap(handler)
            if not self._timers.is_set("look"):
                self._timers.set("look", _LOOK, self._look_at_all)

    def _reap(self, pid: int) -> int:
        """Waits for a child if it has ended, -1 for whichever has; returns its PID, 0 when there is none."""
        try:
            handler, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return 0
        accepted = self._accepted.pop(handler, None)
        if accepted is not None:  # else none, or somebody's who exec'd: reaped, and not blamed
            since, source = accepted
            self._admission.ended(source)
            microseconds = (time.monotonic_ns() - since) // 1000
            self._tell(events.ended(handler, status, microseconds, self._reports.take(handler)))
        return handler

    def _look_at_all(self) -> None:
        while self._reap(-1):
            pass

    # The supervisor ---------------------------------------------------------------------------------

    def _take_commands(self) -> None:
        """Also sends what could not be sent before: called when the socket is readable or writable."""
        try:
            packet = self._supervisor.recv(events.PACKET_SIZE)
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self._go_on_alone()
            return
        else:
            if not packet:
                self._go_on_alone()
                return
            command = packet[0]
            if command == events.PING:
                self._tell(events.alive())
            elif command == events.RETIRE:
                self._leave()
            elif command == events.DRAIN:
                self._drain()
            elif command == events.ELSEWHERE:
                difference, host = events.decode_elsewhere(packet)
                self._admission.count(self._clients.of(host), difference)
        self._send_unsent()

    def _tell(self, event: bytes) -> None:
        """Never waits: what the supervisor can't take now is kept for later."""
        if self._is_alone:
            return
        self._unsent.append(event)
        if len(self._unsent) == 1:  # else the socket is full, and epoll tells when it no longer is
            self._send_unsent()

    def _send_unsent(self) -> None:
        if not self._unsent:
            return
        sent = 0
        try:
            for event in self._unsent:
                self._supervisor.send(event)
                sent += 1
        except BlockingIOError:
            wanted = EPOLLIN | EPOLLOUT
        except (BrokenPipeError, ConnectionResetError):
            self._go_on_alone()
            return
        else:
            wanted = EPOLLIN
        del self._unsent[:sent]
        if wanted != self._wanted:
            self._wanted = wanted
            self._epoll.modify(self._supervisor.fileno(), wanted)

    def _go_on_alone(self) -> None:
        """The supervisor has died: serve what is in hand, and leave the rest to its successor."""
        if not self._is_alone:
            self._is_alone = True
            self._ignore(self._supervisor.fileno())
            self._unsent.clear()
            self._drain()

    # Leaving -----------------------------------------------------------------------------------------

    def _leave(self) -> None:
        """Accepts no more; the sockets are closed at once, so that nobody waits in their backlog for
        a listener that will not come, and their addresses are free."""
        if not self._is_leaving:
            if not self._has_successor:
                self._accept_backlog()
            self._is_leaving = True
            if self._is_polling:
                self._poll_sockets(False)
            for listening in self._sockets:
                # A connection that still waits for its handler may get the number.
                self._not_for_handlers.remove(listening.fileno())
                listening.close()
            self._sockets = ()
            self._timers.cancel("sweep")
            self._crossings.close()

    def _drain(self) -> None:
        if not self._timers.is_set("drained"):
            self._leave()
            self._timers.set("drained", self._drain_time, self._kill)
            self._remind()

    def _accept_backlog(self) -> None:
        """Takes who has connected already: closing the sockets would reset them, requests and all."""
        for listening in self._sockets:
            for _ in range(_MAX_BACKLOG):  # nobody can keep it here by connecting for ever
                if not self._accept(listening):
                    break

    def _remind(self) -> None:
        """Sends SIGTERM to every handler, by the process group that they share with the listener."""
        os.killpg(0, signals.SIGTERM)
        self._timers.set("reminder", _REMINDER, self._remind)

    def _kill(self) -> None:
        for handler in self._accepted:
            os.kill(handler, signals.SIGKILL)
