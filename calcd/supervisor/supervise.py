"""The supervisor's loop: it keeps one listener serving, and speaks for the daemon.

Start-up, reload and recovery are one step, a new listener:

1.  The new listener is a candidate until it says Ready. Only then is the old one told to retire, which
    leaves its connections alone, so no moment is without a listener and no connection is disturbed.
2.  A candidate that fails is a reload that failed, and the old one has not noticed. Without an old one
    calcd tries again, and waits longer each time.
3.  The kernel hands the handlers of a listener that has died to the supervisor (subreaper), which logs
    their ends in its place.
"""

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial

import calcd
from calcd.config import Config, changed
from calcd.listener import events
from calcd.signals import SignalPipe
from calcd.supervisor import capacity, messages, notify
from calcd.supervisor.accounts import Accounts, Session, describe
from calcd.supervisor.control import Control
from calcd.supervisor.crossings import Crossings
from calcd.supervisor.failure import ExitStatus, Failure, system_failure
from calcd.supervisor.listener_process import ListenerProcess
from calcd.supervisor.log import Log
from calcd.supervisor.news import (
    Accepted,
    Alive,
    Died,
    Ended,
    Event,
    Limit,
    Lost,
    Ready,
    Served,
    Trouble,
    Unconfined,
)
from calcd.supervisor.pidfile import Pidfile
from calcd.supervisor.sockets import Sockets
from calcd.timers import Timers
from calcd.values import format_span

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)

# Seconds that a new listener may take to say Ready (it takes 0.05), and that one which drains may
# overrun its drain time before its supervisor does what it should have done.
_READY_TIME = 10.0
_OVERRUN = 2.0
# Seconds between two pings to the listeners, and how many in a row one may leave unanswered. Counted, not
# timed: a machine that stood still itself has not sent any.
_PING_INTERVAL = 2.0
_MAX_UNANSWERED = 5
# A listener that has served for so long is replaced at once when it dies; the delay in front of the
# next one doubles from the first to the last while they die sooner. Seconds.
_STABLE = 10.0
_FIRST_DELAY, _LAST_DELAY = 0.1, 5.0
# Seconds between two STATUS lines, and between two SIGTERMs to handlers whose listener has died.
_STATUS_INTERVAL = 1.0
_REMINDER = 0.1
# Seconds between two looks at what a listener tells.
_EVENTS_INTERVAL = 0.02
# Seconds between two attempts to log what the log refuses.
_LOG_INTERVAL = 1.0
_REMEDIES = {
    "accept": "Raise LimitNOFILE= in the unit, or fs.file-max, or add memory.",
    "fork": "Raise TasksMax= in the unit, or kernel.pid_max, or add memory.",
}
# What is missing for the seccomp filters, and what to do about it.
_MISSING = {
    events.NO_LIBRARY: ("libseccomp's Python bindings are missing", "apt-get install python3-seccomp"),
    events.NO_KERNEL_SUPPORT: (
        "the kernel takes no seccomp filters",
        "use a kernel with CONFIG_SECCOMP_FILTER, and a container that allows them",
    ),
}


class Supervisor:
    def __init__(
        self,
        *,
        config: Config,
        load_config: Callable[[], Config],
        sockets: Sockets,
        signals: SignalPipe,
        control: Control | None,
        files: Sequence[Pidfile | Control],
        log: Log,
        watchdog_interval: float | None,
        started: Callable[[str], None],
    ) -> None:
        """load_config reads the configuration anew; files are those by which calcd is found; started is
        called, with the STATUS line, once calcd serves."""
        self._config = config
        self._load_config = load_config
        self._sockets = sockets
        self._signals = signals
        self._control = control
        self._files_in_place = list(files)
        self._log = log
        self._has_watchdog = watchdog_interval is not None
        self._ping_interval = min(watchdog_interval or _PING_INTERVAL, _PING_INTERVAL)
        self._started: Callable[[str], None] | None = started
        self._accounts = Accounts(log, config.log_connections)
        self._crossings = Crossings(log, self._accounts.counters)
        self._listeners: dict[int, ListenerProcess] = {}  # by PID, those that leave included
        self._orphaned: list[ListenerProcess] = []  # dead, with handlers that are not
        self._current: ListenerProcess | None = None
        self._candidate: ListenerProcess | None = None
        self._next: tuple[Config, Sockets] = config, sockets  # what the candidate serves
        self._is_reloading = False
        self._reload_again = False
        self._missing = 0  # for seccomp filters, as far as it has been logged
        self._is_stopping = False
        self._serving_since = 0.0  # time.monotonic()
        self._delay = 0.0  # before the listener that is started next
        self._is_log_watched = False
        self._timers = Timers()
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Serves until it is told to stop. Raises Failure when the first listener does not start."""
        self._selector.register(self._signals.reading_end, selectors.EVENT_READ, self._take_signals)
        if self._control:
            self._selector.register(self._control, selectors.EVENT_READ, self._take_request)
        self._start_listener(self._config, self._sockets)
        while not self._is_stopping or self._listeners or self._orphaned:
            for key, _ in self._selector.select(self._timers.timeout()):
                # One of the events before may have closed what this one is about.
                if self._selector.get_map().get(key.fd) == key:
                    key.data()
            self._timers.run_due()
            self._watch_log()
        if self._started:
            raise Failure(ExitStatus.UNAVAILABLE, "calcd was told to stop while it started")
        counters = self._accounts.counters
        self._log.write(messages.STOPPED, served=counters.served, requests=counters.requests)

    # Signals and requests ---------------------------------------------------------------------------

    def _take_signals(self) -> None:
        # What was told before the signal goes before it, in the log as in the counters.
        self._take_all_events()
        for number in self._signals.read():
            match number:
                case signal.SIGTERM | signal.SIGINT:
                    self._stop()
                case signal.SIGHUP:
                    self._reload()
                case signal.SIGUSR1:
                    self._log_counters()
        # Whatever the signals were: one CHLD can stand for many children, and come with others.
        self._reap()

    def _take_request(self) -> None:
        assert self._control  # noqa: S101 - for the type checker
        if self._control.accept():
            self._reload()

    def _watch_log(self) -> None:
        """What the log has not taken goes as soon as it does, and is tried again from time to time."""
        if self._log.is_full != self._is_log_watched:
            self._is_log_watched = self._log.is_full
            if self._log.is_full:
                self._selector.register(self._log, selectors.EVENT_WRITE, self._log.flush)
            else:
                self._selector.unregister(self._log)
        if self._log.is_behind and not self._timers.is_set("log"):
            self._timers.set("log", _LOG_INTERVAL, self._log.flush)

    def _log_counters(self) -> None:
        self._log.write(messages.COUNTERS, **vars(self._accounts.counters))

    # A new listener ----------------------------------------------------------------------------------

    def _start_listener(self, config: Config, sockets: Sockets) -> None:
        self._timers.cancel("restart")
        self._next = config, sockets
        try:
            candidate = ListenerProcess(sockets, config)
        except OSError as error:
            self._candidate_failed(system_failure(error))
            return
        self._candidate = candidate
        for listener in (*self._listeners.values(), *self._orphaned):
            for session in listener.sessions.values():
                candidate.count_elsewhere(session.host, 1)
        self._listeners[candidate.pid] = candidate
        self._tell_elsewhere()
        self._watch_events(candidate)
        self._timers.set("candidate", _READY_TIME, partial(self._kill_hung, candidate, _READY_TIME))

    def _candidate_is_ready(self, candidate: ListenerProcess) -> None:
        if self._is_stopping:
            return
        old, self._current, self._candidate = self._current, candidate, None
        self._timers.cancel("candidate")
        config, sockets = self._next
        if old:
            old.tell(events.RETIRE, set(self._sockets) <= set(sockets))
        self._serving_since = time.monotonic()
        self._sockets.close_all_but(sockets)
        self._config, self._sockets = config, sockets
        self._log.set_level(config.log_level)
        self._accounts.wanted = config.log_connections
        if self._started:
            started, self._started = self._started, None
            self._log.write(messages.STARTED, version=calcd.__version__, listen=sockets)
            self._ping_later()
            try:
                started(self._status())
            except BrokenPipeError:  # who started calcd has been interrupted, and means this as well
                self._stop()
        if self._is_reloading:
            self._accounts.counters.reloads += 1
            self._log.write(messages.RELOADED, listen=sockets)
        self._warn_of_shortage()
        self._settled(None)

    def _warn_of_shortage(self) -> None:
        wanted = self._config.max_connections
        if shortage := capacity.shortage(wanted):
            processes = capacity.processes(wanted)
            self._log.write(messages.TOO_FEW, wanted=wanted, processes=processes, **shortage._asdict())

    def _candidate_failed(self, failure: Failure) -> None:
        self._candidate = None
        self._timers.cancel("candidate")
        if self._is_stopping:
            return
        if self._started:
            for listener in self._orphaned:
                listener.close()
            raise failure
        _, sockets = self._next
        sockets.close_all_but(self._sockets)
        if not self._current:
            delay = self._start_listener_later()
            self._log.write(messages.LISTENER_FAILED, reason=failure, delay=delay)
        self._settled(failure)

    def _settled(self, failure: Failure | None) -> None:
        """The candidate serves, or has failed: so has the reload that it was started for, if any."""
        if self._is_reloading:
            self._is_reloading = False
            if failure:
                reason = str(failure).replace("\n", "; ")
                self._log.write(messages.RELOAD_FAILED, reason=reason)
            notify.tell("READY=1")
            self._tell_status()
        if self._reload_again:
            self._reload_again = False
            self._reload()
        elif self._control:
            self._control.answer(failure)

    def _start_listener_later(self) -> float:
        """Returns the delay in seconds."""
        is_stable = time.monotonic() - self._serving_since > _STABLE
        self._delay = 0.0 if is_stable else min(max(2 * self._delay, _FIRST_DELAY), _LAST_DELAY)
        self._timers.set("restart", self._delay, self._restart)
        return self._delay

    def _restart(self) -> None:
        self._start_listener(self._config, self._sockets)

    # Reload -------------------------------------------------------------------------------------------

    def _reload(self) -> None:
        if self._is_stopping:
            return
        if self._candidate:  # many requests while one is carried out are one more
            self._reload_again = True
            return
        self._is_reloading = True
        notify.reloading()
        try:
            config = self._load_config()
            sockets = self._sockets.for_addresses(config.listen, config.backlog)
        except Failure as failure:
            self._settled(failure)
            return
        for setting in changed(self._config, config):
            self._log.write(messages.NEEDS_RESTART, setting=setting)
        self._start_listener(config, sockets)

    # What listeners tell ------------------------------------------------------------------------------

    def _watch_events(self, listener: ListenerProcess) -> None:
        action = partial(self._take_events_now_and_then, listener)
        self._selector.register(listener, selectors.EVENT_READ, action)

    def _take_events_now_and_then(self, listener: ListenerProcess) -> None:
        """Under load each connection would wake this process twice; what has queued meanwhile is taken at a
        fraction of the price. It queues in the kernel, so it is not lost with a listener that dies."""
        self._take_events(listener)
        self._selector.unregister(listener)
        self._timers.set(_events_of(listener), _EVENTS_INTERVAL, partial(self._watch_events, listener))

    def _take_all_events(self) -> None:
        for listener in list(self._listeners.values()):
            self._take_events(listener)

    def _take_events(self, listener: ListenerProcess) -> None:
        for event in listener.events():
            match event:
                case Accepted() | Ended() | Died():
                    self._take_event_of_handler(listener, event)
                case Served():
                    self._accounts.served(event)
                    self._tell_status_soon()
                case Lost(handler, wait_status):
                    self._log.write(messages.SPARE_DIED, handler=handler, status=describe(wait_status))
                case Limit():
                    self._crossings.take(listener.pid, listener.config, event)
                    self._tell_status_soon()
                case Ready():
                    if listener is self._candidate:
                        self._candidate_is_ready(listener)
                case Alive():
                    listener.unanswered = 0
                case Unconfined(missing):
                    if missing != self._missing:
                        self._missing = missing
                        what, remedy = _MISSING[missing]
                        self._log.write(messages.UNCONFINED, missing=what, remedy=remedy)
                case Trouble(error, times, "gone"):
                    self._log.write(messages.CLIENTS_GONE, error=os.strerror(error), times=times)
                case Trouble(error, times, call):
                    self._log.write(
                        messages.TROUBLE,
                        call=call,
                        error=os.strerror(error),
                        times=times,
                        remedy=_REMEDIES[call],
                    )
        self._tell_elsewhere()

    def _take_event_of_handler(self, listener: ListenerProcess, event: Event) -> None:
        match event:
            case Accepted(handler, peer) if handler not in listener.sessions:
                session = listener.sessions[handler] = self._accounts.opened(peer, handler)
                self._count_elsewhere(listener, session, 1)
                self._tell_status_soon()
            case Ended(handler) if handler in listener.sessions:
                self._accounts.ended(listener.sessions[handler], event)
                self._session_ended(listener, handler)
            case Died(handler, wait_status, microseconds):
                self._accounts.died(listener.sessions[handler], wait_status, microseconds / 1e6)
                self._session_ended(listener, handler)

    def _session_ended(self, listener: ListenerProcess, handler: int) -> None:
        self._count_elsewhere(listener, listener.sessions.pop(handler), -1)
        self._tell_status_soon()

    def _count_elsewhere(self, listener: ListenerProcess, session: Session, difference: int) -> None:
        """Limits hold for the connections of all listeners together, so those that accept are told of the
        others'."""
        for other in (self._current, self._candidate):
            if other and other is not listener:
                other.count_elsewhere(session.host, difference)

    def _tell_elsewhere(self) -> None:
        for listener in (self._current, self._candidate):
            if listener and not listener.tell_elsewhere():
                self._timers.set("elsewhere", _EVENTS_INTERVAL, self._tell_elsewhere)

    # Children that die --------------------------------------------------------------------------------

    def _reap(self) -> None:
        dead = []
        with contextlib.suppress(ChildProcessError):
            while (child := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                dead.append(child)
        if not dead:
            return
        # First what they told while they lived, so that every handler that has died is known.
        self._take_all_events()
        for listener in self._orphaned:
            self._take_reports(listener)
        for pid, wait_status in dead:
            if pid in self._listeners:
                self._listener_ended(self._listeners.pop(pid), wait_status)
            else:
                self._orphan_ended(pid, wait_status)
        for listener in [orphaned for orphaned in self._orphaned if orphaned.is_group_empty()]:
            # The listener had waited for these, and died before it said so.
            for handler in list(listener.sessions):
                self._orphan_ended(handler, None)
            self._orphaned.remove(listener)
            listener.close()

    def _listener_ended(self, listener: ListenerProcess, wait_status: int) -> None:
        if self._timers.is_set(_events_of(listener)):
            self._timers.cancel(_events_of(listener))
        else:
            self._selector.unregister(listener)
        self._orphaned.append(listener)
        self._take_reports(listener)
        self._crossings.listener_ended(listener.pid)
        status = describe(wait_status)
        if listener is self._candidate:
            self._candidate_failed(
                Failure(
                    ExitStatus.SOFTWARE,
                    f"the new listener ended before it was ready, {status}: standard error, or the journal, "
                    "shows why",
                )
            )
            return
        if listener is self._current:
            self._current = None
        elif wait_status == 0:
            return  # it had been told to retire
        if self._is_stopping:
            return
        self._accounts.counters.listeners_lost += 1
        successor = "the one that serves"
        if self._candidate:
            successor = "the one that is starting"
        elif not self._current:
            successor = f"one that starts in {self._start_listener_later()} s"
        self._log.write(messages.LISTENER_DIED, listener=listener.pid, status=status, successor=successor)

    def _take_reports(self, listener: ListenerProcess) -> None:
        """What handlers have told a listener that is dead."""
        for event in listener.reports():
            self._take_event_of_handler(listener, event)

    def _orphan_ended(self, handler: int, wait_status: int | None) -> None:
        """A handler has ended whose listener died before it; wait_status None is not known."""
        # That listener may not be seen to be dead yet: the kernel gives its children away first.
        for listener in (*self._orphaned, *self._listeners.values()):
            if handler in listener.sessions:
                self._take_reports(listener)
            if session := listener.sessions.get(handler):
                self._accounts.died(session, wait_status, time.monotonic() - session.opened)
                self._session_ended(listener, handler)
                self._tell_elsewhere()
                return
        # A stranger, inherited where calcd is PID 1 of a container: reaped, and nobody's fault.

    # Stopping -----------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """The first time, whoever is served gets an answer; the second time, nobody is waited for."""
        if self._is_stopping:
            self._abort("told to a second time")
            return
        self._is_stopping = True
        notify.tell("STOPPING=1")
        drain_time = self._config.drain_time
        self._log.write(
            messages.STOPPING,
            connections=self._accounts.counters.connections,
            drain_time=format_span(drain_time),
        )
        for name in ("restart", "candidate"):
            self._timers.cancel(name)
        # The address is free, and a socket's file gone, before the last connection is.
        self._sockets.close()
        self._next[1].close()
        for listener in self._listeners.values():
            listener.tell(events.DRAIN)
        self._timers.set("drained", drain_time + _OVERRUN, partial(self._abort, "the time is over"))
        self._remind_orphans()

    def _remind_orphans(self) -> None:
        """Drains the handlers that have no listener to do it: calcd.handler.session, 3."""
        for listener in self._orphaned:
            listener.signal_group(signal.SIGTERM)
        self._timers.set("reminder", _REMINDER, self._remind_orphans)

    def _abort(self, reason: str) -> None:
        self._log.write(messages.ABORTING, reason=reason, connections=self._accounts.counters.connections)
        for listener in (*self._listeners.values(), *self._orphaned):
            listener.signal_group(signal.SIGKILL)

    # systemd ------------------------------------------------------------------------------------------

    def _tell_status_soon(self) -> None:
        if not self._timers.is_set("status"):
            self._timers.set("status", _STATUS_INTERVAL, self._tell_status)

    def _tell_status(self) -> None:
        notify.tell(f"STATUS={self._status()}")

    def _status(self) -> str:
        return self._accounts.counters.status() + self._crossings.status()

    def _ping(self) -> None:
        """Sees to it that the loop of every listener turns, and assures systemd that this one does. Where
        there is no listener, the next one is on its way: a restart would only cut off who is connected."""
        is_well = self._current is None or self._current.unanswered == 0
        if self._has_watchdog and is_well:
            notify.tell("WATCHDOG=1")
        for listener in self._listeners.values():
            if listener is not self._candidate:  # which has a time of its own
                if listener.unanswered == _MAX_UNANSWERED:
                    self._kill_hung(listener, _MAX_UNANSWERED * self._ping_interval)
                listener.ping()
        self._look_after_files()
        self._ping_later()

    def _ping_later(self) -> None:
        self._timers.set("ping", self._ping_interval, self._ping)

    def _look_after_files(self) -> None:
        """Says once of each that it is gone. To make it anew might take rights that calcd has given up."""
        for file in list(self._files_in_place):
            with contextlib.suppress(PermissionError):  # a folder that its user may not look into
                if not file.is_in_place():
                    self._files_in_place.remove(file)
                    self._log.write(messages.FILE_GONE, path=file.path, pid=os.getpid())

    def _kill_hung(self, listener: ListenerProcess, seconds: float) -> None:
        self._log.write(messages.LISTENER_HANGS, listener=listener.pid, time=format_span(seconds))
        listener.kill()


def _events_of(listener: ListenerProcess) -> str:
    """The name of a timer."""
    return f"events of {listener.pid}"
