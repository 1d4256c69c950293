"""The supervisor's loop: it keeps one listener serving, and logs for the whole daemon.

It handles signals, requests at the control socket, events of listeners, and the ends of children. The parts:

- succession/  starts listeners: at the start, at a reload, and when one has died
- counts/      counts connections, and limits that are reached
- health/      checks that listeners answer, that files are in place, that the system allows enough processes
- published/   tells others of all this: INFO, metrics
- upgrade/     lets this process go on as the installed code
- requests.py, reload.py, stopping.py, status.py
"""

import dataclasses
import platform
import signal
from collections.abc import Callable

import calcd
from calcd.linux import immortal_objects
from calcd.linux.event_loop import EPOLLOUT, EventLoop
from calcd.linux.shared_page import Writer
from calcd.linux.signals import SignalPipe
from calcd.log import messages
from calcd.log.log import Log
from calcd.settings import writing
from calcd.settings.table import Settings
from calcd.supervisor.counts.connections import Connections
from calcd.supervisor.counts.reached_limits import ReachedLimits
from calcd.supervisor.failure import ExitStatus, Failure
from calcd.supervisor.health import process_limits
from calcd.supervisor.health.files_in_place import FilesInPlace
from calcd.supervisor.health.pings import Pings
from calcd.supervisor.held.control import Control
from calcd.supervisor.held.listener_process import ListenerProcess
from calcd.supervisor.held.pidfile import Pidfile
from calcd.supervisor.held.sockets import Sockets
from calcd.supervisor.memory import Memory
from calcd.supervisor.published.publication import Publication
from calcd.supervisor.records import Fd
from calcd.supervisor.reload import Reload
from calcd.supervisor.requests import Requests
from calcd.supervisor.status import Status
from calcd.supervisor.stopping import Stopping
from calcd.supervisor.succession.listener_events import ListenerEvents
from calcd.supervisor.succession.reaping import Reaping
from calcd.supervisor.succession.roster import Roster
from calcd.supervisor.succession.shared_counts import SharedCounts
from calcd.supervisor.succession.succession import Succession
from calcd.supervisor.upgrade import handover
from calcd.supervisor.upgrade.proof import Proof
from calcd.supervisor.upgrade.state import Page, State

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)

# Seconds between two attempts to write messages that the log has not taken.
_LOG_INTERVAL = 1.0


class Supervisor:
    def __init__(
        self,
        *,
        command_line: list[str],
        settings: Settings,
        load_settings: Callable[[], Settings],
        sockets: Sockets,
        signals: SignalPipe,
        pidfile: Pidfile | None,
        control: Control | None,
        page: Writer,
        roster: Roster,
        memory: Memory,
        log: Log,
        watchdog_interval: float | None,
    ) -> None:
        """load_settings reads the configuration again, for a reload; the options of command_line are what it
        reads it by, for the next supervisor."""
        self._command_line = command_line
        self._signals = signals
        self._pidfile = pidfile
        self._control = control
        self._page = page
        self._memory = memory
        self._log = log
        self._watchdog_interval = watchdog_interval
        self._started: Callable[[str], None] | None = None
        self._is_log_watched = False
        self._loop = EventLoop()
        timers = self._loop.timers
        self._roster = roster
        self._counters = memory.counters
        self._connections = Connections(memory.counters, memory.counted, log, settings.log_connections)
        reached = self._reached = ReachedLimits(log, memory.counters, memory.reached)
        self._publication = Publication(page=page, memory=memory, log=log, roster=roster, timers=timers)
        self._status = Status(self._counters, reached, timers, changed=self._publication.publish_soon)
        shared = SharedCounts(self._roster, timers)
        self._succession = Succession(
            settings=settings,
            sockets=sockets,
            page=page.for_reading,
            roster=self._roster,
            timers=timers,
            memory=memory,
            log=log,
            introduce=self._introduce,
            settled=self._settled,
        )
        self._shared = shared
        self._events = ListenerEvents(
            loop=self._loop,
            roster=self._roster,
            connections=self._connections,
            reached=reached,
            shared=shared,
            status=self._status,
            memory=memory,
            log=log,
            ready=self._succession.ready,
        )
        self._reaping = Reaping(
            roster=self._roster,
            events=self._events,
            shared=shared,
            succession=self._succession,
            reached=reached,
        )
        self._proof = Proof(self._loop)
        self._reload = Reload(
            load_settings=load_settings,
            roster=self._roster,
            succession=self._succession,
            control=control,
            counters=self._counters,
            status=self._status,
            timers=timers,
            publish=self._publication.publish,
            log=log,
            try_upgrade=self._try_upgrade,
            hand_over=self._hand_over,
        )
        self._requests = control and Requests(
            loop=self._loop, control=control, texts=self._publication.texts, reload=self._reload, log=log
        )
        self._stopping = Stopping(
            roster=self._roster, succession=self._succession, counters=self._counters, timers=timers, log=log
        )
        self._pings = Pings(
            roster=self._roster,
            files=FilesInPlace([file for file in (pidfile, control) if file], memory.files_gone, log),
            timers=timers,
            watchdog_interval=watchdog_interval,
            publish=self._publication.publish,
            hangs=self._succession.kill_hung,
        )

    def start(self, started: Callable[[str], None]) -> None:
        """Starts the first listener, and serves until it is told to stop.

        started is called with the STATUS line once calcd serves. It raises BrokenPipeError if the launcher
        was interrupted.

        Raises Failure when the listener does not start.
        """
        self._started = started
        settings, sockets = self._succession.settings, self._succession.sockets
        self._publication.put_in_force(settings.max_connections, sockets)
        self._publication.publish()  # no handler is without
        if not immortal_objects.are_offered():  # listeners run the same Python
            self._log.write(messages.NO_IMMORTAL_OBJECTS, version=platform.python_version())
        self._succession.start(settings, sockets)
        self._serve()

    def go_on(self, version: str) -> None:
        """Takes over from the supervisor of this version, which was this process, and serves until it is told
        to stop."""
        settings, sockets = self._succession.settings, self._succession.sockets
        self._publication.put_in_force(settings.max_connections, sockets)
        for listener in self._roster.alive.values():
            self._events.watch(listener)
        for listener in self._roster.orphaned:
            self._events.watch_reports(listener)
        self._pings.ping_later()
        if not self._roster.current:
            self._succession.start_later()
        self._reload.finish_upgrade(version)
        self._take_signals()  # and looks at all children: one may have ended meanwhile
        self._serve()

    def _serve(self) -> None:
        self._loop.watch(self._signals.reading_end, self._take_signals)
        if self._requests:
            self._requests.watch()
        while not self._stopping.is_over():
            self._loop.turn()
            self._watch_log()
        self._proof.abandon()
        self._succession.sockets.close()
        if self._started:
            raise Failure(ExitStatus.UNAVAILABLE, "calcd was told to stop while it started")
        counters = self._counters
        self._log.write(messages.STOPPED, served=counters.served, requests=counters.requests)

    def _take_signals(self) -> None:
        # Events that came before the signal are logged and counted first.
        self._events.take_all()
        for number in self._signals.read():
            match number:
                case signal.SIGTERM | signal.SIGINT:
                    self._stopping.stop()
                case signal.SIGHUP:
                    self._reload.ask()
                case signal.SIGUSR1:
                    self._log.write(messages.COUNTERS, **self._counters.in_log())
        # After any signal, because one SIGCHLD can stand for many children.
        self._reaping.reap()

    def _try_upgrade(self, done: Callable[[Failure | None], None]) -> None:
        self._proof.begin(self._state(), done)

    def _hand_over(self) -> Failure | None:
        """Goes on as the installed code. Returns only if that fails, the reason; or None if calcd has been
        told to stop.

        Signals are blocked first. Those that have come by then are taken here, those that come later by the
        next supervisor.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._take_signals()
            return None if self._succession.is_closed else handover.execute(self._state())
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _state(self) -> State:
        roster = self._roster
        return State(
            command_line=self._command_line,
            settings=writing.texts(self._succession.settings),
            watchdog_interval=self._watchdog_interval,
            pidfile=self._pidfile.handed_over() if self._pidfile else None,
            control=self._control.handed_over() if self._control else None,
            sockets=self._succession.sockets.handed_over(),
            page=Page(
                file=Fd(self._page.file), for_reading=Fd(self._page.for_reading), number=self._page.number
            ),
            log=self._log.kept(),
            alive=[listener.handed_over() for listener in roster.alive.values()],
            orphaned=[listener.handed_over() for listener in roster.orphaned],
            current=roster.current.pid if roster.current else None,
            memory=dataclasses.replace(self._memory, reached=self._reached.handed_over()),
        )

    def _introduce(self, candidate: ListenerProcess) -> None:
        self._shared.introduce(candidate)
        self._events.watch(candidate)

    def _settled(self, failure: Failure | None) -> None:
        """A candidate serves, or has failed."""
        if failure is None:
            self._put_in_force(self._succession.settings)
        elif self._started:
            for listener in self._roster.orphaned:
                listener.close()
            raise failure
        elif not self._roster.current:
            self._succession.replace_later(failure)
        self._reload.settled(failure)
        if failure is None:
            process_limits.warn_if_short(self._log, self._succession.settings.max_connections)

    def _put_in_force(self, settings: Settings) -> None:
        self._log.set_level(settings.log_level)
        self._connections.wanted = settings.log_connections
        self._publication.put_in_force(settings.max_connections, self._succession.sockets)
        self._publication.publish()
        if self._started:
            started, self._started = self._started, None
            self._log.write(messages.STARTED, version=calcd.__version__, listen=self._succession.sockets)
            self._pings.ping_later()
            try:
                started(str(self._status))
            except BrokenPipeError:  # the launcher was interrupted, which shall end the daemon as well
                self._stopping.stop()

    def _watch_log(self) -> None:
        """Writes waiting messages as soon as the log takes them, and tries it from time to time."""
        if self._log.is_full != self._is_log_watched:
            self._is_log_watched = self._log.is_full
            if self._log.is_full:
                self._loop.watch(self._log.fileno(), self._log.flush, EPOLLOUT)
            else:
                self._loop.ignore(self._log.fileno())
        if self._log.is_behind:
            self._loop.timers.set_once("log", _LOG_INTERVAL, self._log.flush)
