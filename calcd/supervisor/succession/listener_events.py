"""Takes the events of listeners, and the reports that a dead listener has left."""

import os
from collections.abc import Callable
from functools import partial

from calcd.linux.event_loop import EventLoop
from calcd.listener import packets
from calcd.log import messages
from calcd.log.log import Log
from calcd.supervisor import dependencies, system_limits
from calcd.supervisor.counts.connections import Connections, describe
from calcd.supervisor.counts.reached_limits import ReachedLimits
from calcd.supervisor.events import (
    Accepted,
    Alive,
    Died,
    Ended,
    Event,
    HeaderRefused,
    Limit,
    Lost,
    NotKnown,
    Progress,
    Ready,
    Served,
    Trouble,
    Unconfined,
)
from calcd.supervisor.held.listener_process import ListenerProcess
from calcd.supervisor.memory import Memory
from calcd.supervisor.status import Status
from calcd.supervisor.succession.roster import Roster
from calcd.supervisor.succession.shared_counts import SharedCounts

# Seconds between two reads of a listener's events.
_INTERVAL = 0.02
# What is missing for the seccomp filters, and what to do about it.
_MISSING = {
    packets.NO_LIBRARY: (
        "libseccomp's Python bindings are missing",
        dependencies.remedy(dependencies.SECCOMP),
    ),
    packets.NO_KERNEL_SUPPORT: (
        "the kernel takes no seccomp filters",
        "use a kernel with CONFIG_SECCOMP_FILTER, and a container that allows them",
    ),
    packets.BREAKS_BOTH: (
        "handlers do not work without a system call that is not on their lists: {call}",
        "leave out what makes it, most likely a library in /etc/ld.so.preload",
    ),
}


class ListenerEvents:
    def __init__(
        self,
        *,
        loop: EventLoop,
        roster: Roster,
        connections: Connections,
        reached: ReachedLimits,
        shared: SharedCounts,
        status: Status,
        memory: Memory,
        log: Log,
        ready: Callable[[ListenerProcess], None],
    ) -> None:
        """ready is called with a listener that has sent Ready."""
        self._loop = loop
        self._roster = roster
        self._connections = connections
        self._reached = reached
        self._shared = shared
        self._status = status
        self._log = log
        self._ready = ready
        self._memory = memory

    def watch(self, listener: ListenerProcess) -> None:
        self._watch(listener, listener.fileno(), self._take)

    def ignore(self, listener: ListenerProcess) -> None:
        """Ends watch() and watch_reports(). Call it before the listener is closed."""
        self._loop.timers.cancel(_timer_of(listener))
        self._loop.ignore(listener.fileno())
        self._loop.ignore(listener.reports_fileno())

    def _watch(self, listener: ListenerProcess, file: int, take: Callable[[ListenerProcess], object]) -> None:
        self._loop.watch(file, partial(self._take_now_and_then, listener, file, take))

    def _take_now_and_then(
        self, listener: ListenerProcess, file: int, take: Callable[[ListenerProcess], object]
    ) -> None:
        """Takes events now, and again after _INTERVAL instead of when the next one comes.

        Under load, each connection would wake the supervisor twice. Many events together cost a fraction of
        that. They wait in the kernel, so they are not lost if the listener dies.
        """
        take(listener)
        self._loop.ignore(file)
        self._loop.timers.set(_timer_of(listener), _INTERVAL, partial(self._watch, listener, file, take))

    def take_all(self) -> None:
        for listener in list(self._roster.alive.values()):
            self._take(listener)

    def _take(self, listener: ListenerProcess) -> None:
        for event in listener.events():
            self._take_event(listener, event)
        self._shared.send()

    def _take_event(self, listener: ListenerProcess, event: Event) -> None:
        match event:
            case Accepted() | HeaderRefused() | Ended() | Progress() | Died():
                self._take_event_of_handler(listener, event)
            case Served():
                self._connections.served(event)
                self._status.tell_soon()
            case Lost(handler, wait_status):
                self._connections.counters.handlers_killed += 1
                self._status.tell_soon()
                self._log.write(messages.SPARE_DIED, handler=handler, status=describe(wait_status))
            case Limit():
                self._reached.take(listener.pid, listener.settings, event)
                self._status.tell_soon()
            case Ready(version):
                listener.version = version
                self._ready(listener)
            case Alive(waiting, serving, awaiting_header):
                listener.unanswered = 0
                self._shared.await_headers(listener, awaiting_header)
                if (listener.waiting, listener.serving) != (waiting, serving):
                    listener.waiting, listener.serving = waiting, serving
                    self._status.tell_soon()
            case Unconfined():
                self._log_unconfined(event)
            case NotKnown(kind) if kind not in self._memory.not_known:
                self._memory.not_known.append(kind)
                self._log.write(messages.NOT_KNOWN, listener=listener.pid, kind=kind)
            case Trouble(error, times, "gone"):
                self._log.write(messages.CLIENTS_GONE, error=os.strerror(error), times=times)
            case Trouble(error, times, call):
                words = system_limits.words()
                remedy = words.accept if call == "accept" else words.fork
                self._log.write(
                    messages.TROUBLE, call=call, error=os.strerror(error), times=times, remedy=remedy
                )

    def _log_unconfined(self, event: Unconfined) -> None:
        if event == self._memory.unconfined:
            return
        self._memory.unconfined = event
        call = event.call or "not known"
        if event.missing == packets.BREAKS_HANDLERS:
            self._log.write(messages.LESS_CONFINED, call=call)
        else:
            what, remedy = _MISSING[event.missing]
            self._log.write(messages.UNCONFINED, missing=what.format(call=call), remedy=remedy)

    def _take_event_of_handler(self, listener: ListenerProcess, event: Event) -> None:
        match event:
            case Accepted(handler, peer, proxy) if handler not in listener.connections:
                connection = listener.connections[handler] = self._connections.opened(peer, handler, proxy)
                self._shared.count(listener, connection, 1)
                self._status.tell_soon()
            case HeaderRefused():
                self._connections.header_refused(event)
                self._status.tell_soon()
            case Ended(handler) if handler in listener.connections:
                self._connections.ended(listener.connections[handler], event)
                self._connection_ended(listener, handler)
            case Progress(handler, sums) if handler in listener.connections:
                self._connections.goes_on(listener.connections[handler], sums)
                self._status.tell_soon()
            case Died(handler, wait_status, microseconds) if handler in listener.connections:
                self._connections.died(listener.connections[handler], wait_status, microseconds / 1e6)
                self._connection_ended(listener, handler)

    def _connection_ended(self, listener: ListenerProcess, handler: int) -> None:
        self._shared.count(listener, listener.connections.pop(handler), -1)
        self._status.tell_soon()

    # Listeners that are dead ----------------------------------------------------------------------

    def watch_reports(self, listener: ListenerProcess) -> None:
        """Takes the reports of handlers whose listener is dead, as they come: in a pipe that nobody empties,
        handlers that report their progress would soon wait for room, and their clients with them."""
        self._watch(listener, listener.reports_fileno(), self.take_reports)

    def take_reports(self, listener: ListenerProcess) -> None:
        """Takes the reports that handlers have made to a listener that is dead."""
        for event in listener.reports():
            self._take_event_of_handler(listener, event)
        self._shared.send()

    def orphan_ended(self, listener: ListenerProcess, handler: int, wait_status: int | None) -> None:
        """A handler of a dead listener has ended while it served. wait_status None is unknown."""
        connection = listener.connections[handler]
        self._connections.orphan_died(connection, wait_status)
        self._connection_ended(listener, handler)
        self._shared.send()


def _timer_of(listener: ListenerProcess) -> str:
    return f"events of {listener.pid}"
