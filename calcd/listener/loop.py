"""The listener's loop: fork handlers, hear what they tell, reap them, tell the supervisor.

It sleeps in one epoll, and every source of events has a method that takes what is there. It accepts no
connection itself: its handlers do, and say so, and of a source that has limits they ask first.

What it imports, and what it touches between two forks, is what a connection costs:

1.  fork(2) copies the tables of all memory in use, and exit(2) takes them down again: 30 us for each MB.
    So nothing here imports enum (signal, socket, selectors, json), typing or collections.
2.  A page that is written after a fork is a page fault, in the parent as well as in the child: 2 to 4 us.
    So the sockets are those of _socket, the C module under socket.
"""

from __future__ import annotations

import errno
import math
import os
import time
from select import EPOLLIN, EPOLLOUT, epoll

from calcd import signals
from calcd.handler import report
from calcd.handler.acceptor import Acceptor
from calcd.handler.peers import host_of
from calcd.handler.process import CONNECTION_GONE, Handler, rehearse
from calcd.listener import events
from calcd.listener.admission import ADMITTED, FULL, Admission
from calcd.listener.crossings import Crossings
from calcd.listener.fork import fork
from calcd.listener.outbox import Outbox
from calcd.listener.pool import Pool
from calcd.listener.processor import ProcessorWait
from calcd.listener.signalfd import read_signals
from calcd.timers import Timers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Sequence
    from typing import Any

    from calcd.confinement import Filter
    from calcd.handler.sources import Sources
    from calcd.limits import Limits
    from calcd.title import Title

SIGNALS = (signals.SIGCHLD, signals.SIGTERM)

# Seconds between two signals that handlers are to obey: calcd.handler.session, 4.
_REMINDER = 0.1
# How often handlers at work are told that they are to accept no more.
_LEAVE_TIMES = 10
# Seconds without a fork when the system is out of what it takes, or handlers die before they serve: trying
# again at once would spin, and exiting would end what is still served.
_PAUSE = 0.1
# Seconds between two events that tell of the same trouble.
_TROUBLE_INTERVAL = 10.0
# Of the time, what this process waits for a processor when there are too few of them.
_BUSY = 0.05
# Seconds until it looks again, then.
_TURNOVER = 0.01
# Seconds between two looks at what handlers tell, as long as some wait for connections.
_REPORTS_INTERVAL = 0.002
# Seconds between two looks at all handlers, for those that have ended unnoticed.
_LOOK = 0.2
# Seconds between two looks at which limits are still reached, and at handlers that nobody needs.
_SWEEP = 1.0
# Seconds between two looks at the backlog of sockets that are to be closed.
_BACKLOG_INTERVAL = 0.01
# The most that epoll_wait(2) returns at a time. Python's own choice, 1,023, takes a buffer of three pages.
_EVENTS = 16
# The most that a listen(2) of calcd's lets wait: Backlog=.
_MAX_BACKLOG = 65_535
# Events that the supervisor has not taken yet; with more than that, handlers are neither forked nor listened
# to, and those that report wait. So their memory is bounded (to about 20 MB) and none is ever dropped.
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
        sums_up: bool,
        spare_handlers: int,
        limits: Limits,
        sources: Sources,
        title: Title,
        handlers_filter: Filter,
    ) -> None:
        """sockets listen, supervisor is this end of the pair, reports both ends of the handlers' pipe,
        drain_time in seconds. signals is the signalfd of SIGNALS. has_successor says that the sockets are
        systemd's: what waits in their backlog when this listener drains, the next calcd will serve. sums_up
        is for calcd.listener.outbox."""
        self._sockets = sockets
        self._supervisor = supervisor
        self._reports, reports_for_handlers = reports
        self._questions = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._signals = signals
        self._has_successor = has_successor
        self._drain_time = drain_time
        self._clients = sources
        self._admission = Admission(limits)
        self._outbox = Outbox(sums_up=sums_up)
        self._crossings = Crossings(self._outbox.tell)
        self._pool = Pool(spare_handlers, limits.connections_per_handler)
        self._processor = ProcessorWait() if self._pool.is_reused else None
        self._wanted = EPOLLIN  # of the supervisor's socket
        self._troubles: dict[tuple[int, str], int] = {}  # errno and call: how often since it was told
        self._is_polling = False  # the listening sockets
        self._has_left = False
        self._is_draining = False
        self._backlog = 0  # connections that may still be taken from it, while the listener is leaving
        self._is_alone = False  # the supervisor has died
        self._reaped = 0  # a handler whose last reports are taken
        self._timers = Timers()
        self._epoll = epoll()
        self._sources: dict[int, Callable[[], object]] = {}  # by file descriptor
        self._acceptor = Acceptor(sockets)
        not_for_handlers = [
            supervisor.fileno(),
            self._reports,
            signals,
            self._epoll.fileno(),
            *(self._processor.files if self._processor else ()),
        ]
        rehearse(title, limits, sources)
        self._handler = Handler(
            acceptor=self._acceptor,
            reports=reports_for_handlers,
            questions=self._questions,
            title=title,
            inherited=not_for_handlers,
            limits=limits,
            sources=sources,
            own_filter=handlers_filter,
        )

    def run(self) -> None:
        """Serves until it is told to leave, or left alone, and every handler has ended."""
        for listening in self._sockets:
            self._handler.prepare(listening.fileno())
        self._acceptor.prepare()
        self._supervisor.setblocking(False)
        self._watch(self._signals, self._take_signals)
        self._watch(self._supervisor.fileno(), self._take_commands)
        self._watch_reports()
        self._watch(self._questions, self._take_questions)
        while self._take_commands():  # how many connections others have: before there is a handler
            pass
        self._outbox.tell(events.ready())
        poll, sources, timers = self._epoll.poll, self._sources, self._timers
        while True:
            self._flush()
            self._provide()
            self._flush()
            if self._has_left and not len(self._pool) and not len(self._outbox):
                return
            timeout = timers.timeout()
            for fd, _ in poll(timeout, _EVENTS):
                if fd in sources:  # still: one of the events before may have ended this one
                    sources[fd]()
            if timeout is not None:
                timers.run_due()

    def _watch(self, fd: int, action: Callable[[], object]) -> None:
        if fd not in self._sources:
            self._epoll.register(fd, EPOLLIN)
            self._sources[fd] = action

    def _ignore(self, fd: int) -> None:
        if fd in self._sources:
            self._epoll.unregister(fd)
            del self._sources[fd]

    # Handlers for connections ---------------------------------------------------------------------

    def _may_fork(self) -> bool:
        return not (
            self._has_left
            or self._admission.is_full()
            or self._timers.is_set("pause")
            or len(self._outbox.events) > _MAX_UNSENT
        )

    def _provide(self) -> None:
        """Sees to it that connections find a handler. Where none waits for them, the listener looks itself
        whether there are any; otherwise they do not wake it."""
        room = 0 if self._has_left else self._admission.room()
        missing = self._pool.missing(room, is_wanted=False)
        if missing > 0 and self._may_fork():
            self._fork(self._bearable(missing))
        elif missing < 0:
            self._dismiss(-missing)
        wanted = self._may_fork() and not (self._pool.waiting or self._waits_for_one())
        if wanted != self._is_polling:
            for listening in self._sockets:
                if wanted:
                    self._watch(listening.fileno(), self._connections_wait)
                else:
                    self._ignore(listening.fileno())
            self._is_polling = wanted
        if self._admission.is_full() and not (self._has_left or self._crossings.has(FULL, "")):
            self._reached(FULL, "", affected=0)

    def _connections_wait(self) -> None:
        self._take_reports()  # one that has just ended may have left a handler that waits
        self._flush()
        if self._may_fork():
            self._fork(self._bearable(self._pool.missing(self._admission.room(), is_wanted=True)))

    def _bearable(self, missing: int) -> int:
        """Of so many handlers that are missing, those to fork now.

        Where handlers wait for a processor, and come back to accept the next connection, one more makes the
        others slower, and so the next one seem to be missing. With 32 clients on one processor there were 170
        of them, which served 8,300 connections a second, the p99 at 36 ms; 20 serve 9,800, at 5 ms. Those
        that have left are replaced all the same.
        """
        if self._processor is None or missing <= 0:
            return missing
        if not self._timers.is_set("turnover"):
            come_back = self._pool.come_back()
            passed, waited = self._processor.since_last_call()
            if not come_back or waited <= passed * _BUSY:
                self._pool.lost = 0
                return missing
            self._timers.set("turnover", _TURNOVER, lambda: None)
        replacements = min(missing, self._pool.lost)
        self._pool.lost -= replacements
        return replacements

    def _waits_for_one(self) -> bool:
        """Whether it leaves a connection that comes to the next handler that comes back."""
        return self._timers.is_set("turnover") and not self._pool.lost

    def _fork(self, handlers: int) -> None:
        for _ in range(handlers):
            try:
                handler = fork()
            except OSError as error:
                self._pause()
                self._note_trouble(error.errno or errno.EAGAIN, "fork")
                return
            if handler == 0:
                self._handler.run()
            self._pool.forked(handler)

    def _pause(self) -> None:
        self._timers.set("pause", _PAUSE, lambda: None)

    def _reached(self, limit: int, source: str, affected: int = 1) -> None:
        self._crossings.reached(limit, source, affected)
        self._sweep_later()

    def _sweep_later(self) -> None:
        if not (self._has_left or self._timers.is_set("sweep")):
            self._timers.set("sweep", _SWEEP, self._sweep)

    def _sweep(self) -> None:
        if self._admission.is_full():
            self._crossings.reached(FULL, "", affected=0)
        self._crossings.sweep()
        if surplus := self._pool.surplus():
            self._dismiss(surplus)
        if self._admission.forget(time.monotonic_ns()) or self._crossings.present or self._pool.has_surplus():
            self._sweep_later()

    def _dismiss(self, handlers: int) -> None:
        self._pool.dismiss(handlers)
        self._tell_dismissed()

    def _tell_dismissed(self) -> None:
        """Until they have left, or got a connection: a signal can come between a look for one and accept(2),
        which waits on."""
        for handler in self._pool.dismissed:
            os.kill(handler, signals.LEAVE)
        if self._pool.dismissed:
            self._timers.set("dismissed", _REMINDER, self._tell_dismissed)

    def _note_trouble(self, error: int, call: str) -> None:
        self._troubles[error, call] = self._troubles.get((error, call), 0) + 1
        if not self._timers.is_set("trouble"):
            self._tell_troubles()

    def _tell_troubles(self) -> None:
        if self._troubles:
            for (error, call), times in self._troubles.items():
                self._outbox.tell(events.trouble(error, times, call))
            self._troubles.clear()
            self._timers.set("trouble", _TROUBLE_INTERVAL, self._tell_troubles)

    # What handlers tell ---------------------------------------------------------------------------

    def _look_at_reports(self) -> None:
        """
        1.  Under load each connection would wake this process twice; what has come meanwhile is read at a
            fraction of the price, as long as connections find a handler that waits, and the pipe has room.
        2.  Where handlers are not used again, the end of each wakes it anyhow.
        """
        is_ahead = len(self._outbox.events) > _MAX_UNSENT
        records = 0 if is_ahead else self._take_reports()
        if is_ahead or (self._pool.waiting and records < report.MANY):
            self._ignore(self._reports)
            self._timers.set("reports", _REPORTS_INTERVAL, self._watch_reports)

    def _watch_reports(self) -> None:
        self._watch(self._reports, self._look_at_reports)

    def _take_reports(self) -> int:
        """Returns how many there were."""
        records = report.read(self._reports)
        now = time.monotonic_ns()
        for record, fields in records:
            self._take(record, fields, now)
        if self._pool.has_surplus():
            self._sweep_later()
        return len(records)

    def _take_questions(self) -> None:
        try:
            os.eventfd_read(self._questions)
        except BlockingIOError:  # a handler that was taken over has read it
            pass
        self._take_reports()

    def _take(self, record: bytes, fields: tuple[Any, ...], now: int) -> None:
        kind, handler = fields[:2]
        if kind == report.FAILED:
            error = fields[2]
            if self._pool.may_accept(handler) and error in errno.errorcode:
                self._note_trouble(error, "gone" if error in CONNECTION_GONE else "accept")
        elif kind == report.ACCEPTED:
            asks = fields[2]
            if self._pool.may_accept(handler) and self._is_admitted(handler, now, *fields[2:]):
                self._outbox.accepted(handler, record)
            elif asks and handler in self._pool.serving:
                # Another has reported in its name before, and it would wait for an answer for ever.
                self._signal(handler, signals.SIGKILL)
        elif handler in self._pool.serving:
            self._ended(handler, leaves=fields[2])
            self._outbox.ended(handler, record, fields)

    def _is_admitted(self, handler: int, now: int, asks: bool, peer: bytes) -> bool:
        # Also those that are exempt: the next handlers will have it from here, worked out.
        source = self._clients.of(host_of(peer.decode()))
        if not asks:
            source = ""
        decision = self._admission.decide(source, now)
        if asks:
            self._sweep_later()
            self._signal(handler, signals.ADMITTED if decision == ADMITTED else signals.REFUSED)
            if decision != ADMITTED:
                self._reached(decision, source)
                return False
        if self._crossings.present and self._crossings.has(FULL, ""):
            self._reached(FULL, "")
        self._pool.accepted(handler, now, source)
        self._backlog -= 1
        return True

    def _signal(self, handler: int, number: int) -> None:
        """The PID of one that has been waited for may be somebody else's by now."""
        if handler != self._reaped:
            os.kill(handler, number)

    def _ended(self, handler: int, leaves: bool) -> int:
        """Returns time.monotonic_ns() of the connection's accept."""
        since, source = self._pool.serving[handler]
        self._pool.ended(handler, leaves)
        self._admission.ended(source)
        return since

    # Handlers end -----------------------------------------------------------------------------------

    def _take_signals(self) -> None:
        """
        1.  wait(2) for any child looks at each of them, which took half of a listener's time with 5,000
            connections open. So a handler is waited for by its PID, which the signal tells.
        2.  One SIGCHLD can stand for many: those that have said that they leave, and, now and then, all are
            looked at.
        """
        for number, pid in read_signals(self._signals):
            if number == signals.SIGCHLD:
                self._reap(pid)
            else:
                self._drain()
        for handler in list(self._pool.leaving):
            self._reap(handler)
        if len(self._pool) and not self._timers.is_set("look"):
            self._timers.set("look", _LOOK, self._look_at_all)

    def _reap(self, pid: int) -> int:
        """Waits for a child if it has ended, -1 for whichever has; returns its PID, 0 when there is none."""
        try:
            handler, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return 0
        if handler:
            self._reaped = handler
            self._take_reports()  # what it has told before
            self._reaped = 0
            if handler in self._pool.serving:
                microseconds = (time.monotonic_ns() - self._ended(handler, leaves=True)) // 1000
                self._outbox.tell_of(handler, events.died(handler, status, microseconds))
            # Else it told of its connection's end, or it is somebody's who exec'd: reaped, and not blamed.
            if self._pool.left(handler) and status:
                self._outbox.tell(events.lost(handler, status))
                self._pause()
        return handler

    def _look_at_all(self) -> None:
        while self._reap(-1):
            pass

    # The supervisor ---------------------------------------------------------------------------------

    def _take_commands(self) -> bool:
        """Also sends what could not be sent before: called when the socket is readable or writable. Returns
        whether there was a command."""
        packet: bytes | None
        try:
            packet = self._supervisor.recv(events.PACKET_SIZE)
        except BlockingIOError:
            packet = None
        except ConnectionResetError:
            packet = b""
        if packet == b"":
            self._go_on_alone()
            return False
        if packet:
            self._obey(packet)
        if self._wanted != EPOLLIN:
            self._send()
        return packet is not None

    def _obey(self, packet: bytes) -> None:
        command = packet[0]
        if command == events.PING:
            self._outbox.tell(events.alive())
            self._help_out()
        elif command == events.RETIRE:
            self._leave(has_successor=bool(packet[1]))
        elif command == events.DRAIN:
            self._drain()
        elif command == events.ELSEWHERE:
            difference, host = events.decode_elsewhere(packet)
            self._admission.count(self._clients.of(host), difference)

    def _help_out(self) -> None:
        """A connection may wait although handlers do: when somebody has stopped them. Those that cannot
        accept have said so, and more of them could not either."""
        may_help = self._may_fork() and not self._timers.is_set("trouble")
        if may_help and self._admission.room() > len(self._pool.waiting) > 0 and self._acceptor.has_waiting():
            self._fork(1)

    def _flush(self) -> None:
        """Before anything that takes long, as a fork does: what this process has heard and not told yet, is
        lost with it when it is killed."""
        if self._is_alone:
            self._outbox.clear()
        elif self._wanted == EPOLLIN:  # else epoll tells when there is room again
            self._send()

    def _send(self) -> None:
        """What the supervisor can't take now is kept for later: nobody waits for it."""
        self._outbox.close_sum()
        unsent = self._outbox.events
        sent = 0
        wanted = EPOLLIN
        try:
            while sent < len(unsent):
                events_of_packet = unsent[sent : sent + events.EVENTS]
                self._supervisor.send(events.pack(events_of_packet))
                sent += len(events_of_packet)
        except BlockingIOError:
            wanted = EPOLLIN | EPOLLOUT
        except (BrokenPipeError, ConnectionResetError):
            self._go_on_alone()
            return
        del unsent[:sent]
        if wanted != self._wanted:
            self._wanted = wanted
            self._epoll.modify(self._supervisor.fileno(), wanted)

    def _go_on_alone(self) -> None:
        """The supervisor has died: serve what is in hand, and leave the rest to its successor."""
        if not self._is_alone:
            self._is_alone = True
            self._ignore(self._supervisor.fileno())
            self._drain()

    # Leaving -----------------------------------------------------------------------------------------

    def _leave(self, has_successor: bool) -> None:
        """Accepts no more; the sockets are closed as soon as nobody waits in their backlog for a listener
        that will not come: they would be reset, requests and all."""
        if self._has_left or self._timers.is_set("backlog"):
            return
        self._backlog = 0 if has_successor else _MAX_BACKLOG  # nobody can keep it here for ever
        self._leave_when_nobody_waits()

    def _leave_when_nobody_waits(self) -> None:
        self._take_reports()
        if self._backlog > 0 and not self._admission.is_full() and self._acceptor.has_waiting():
            self._timers.set("backlog", _BACKLOG_INTERVAL, self._leave_when_nobody_waits)
            return
        self._has_left = True
        self._provide()
        for listening in self._sockets:
            listening.close()
        self._sockets = ()
        self._timers.cancel("sweep")
        self._crossings.close()
        if self._is_draining:
            self._tell_all(signals.SIGTERM, math.inf)
        elif self._pool.is_reused:
            self._tell_all(signals.LEAVE, _LEAVE_TIMES)

    def _tell_all(self, signal: int, times: float) -> None:
        """Sends a signal to all handlers, by the process group that they share with the listener. More than
        once, because it can come between a look for one and a read(2), which goes on."""
        os.killpg(0, signal)
        if times > 1:
            self._timers.set("told", _REMINDER, lambda: self._tell_all(signal, times - 1))

    def _drain(self) -> None:
        if not self._is_draining:
            self._is_draining = True
            self._timers.set("drained", self._drain_time, self._kill)
            if self._has_left:
                self._tell_all(signals.SIGTERM, math.inf)
            else:
                self._leave(self._has_successor)

    def _kill(self) -> None:
        self._backlog = 0
        for handler in self._pool:
            os.kill(handler, signals.SIGKILL)
