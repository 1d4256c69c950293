"""Keeps the right number of handlers: forks them, and dismisses those that nobody needs."""

from __future__ import annotations

import errno
import os
import time

from calcd.handler.listener_signals import STOP_ACCEPTING
from calcd.linux.fork import fork
from calcd.linux.give_way import GiveWay
from calcd.linux.refuse_connections import refuse_new_connections
from calcd.listener.admission import FULL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Sequence

    from calcd.handler.acceptor import Acceptor
    from calcd.handler.process import Handler
    from calcd.linux.cpu_wait import CpuWait
    from calcd.linux.event_loop import EventLoop
    from calcd.listener.admission import Admission
    from calcd.listener.outbox import Outbox
    from calcd.listener.pool import Pool
    from calcd.listener.reached_limits import ReachedLimits
    from calcd.listener.troubles import Troubles

# At most so many handlers are forked before the listener gives way to them.
_AT_ONCE = 3
# Seconds between two signals to the same dismissed handler.
_REMINDER_INTERVAL = 0.1
# CPUs are short if the listener waits for one for a larger part of the time than this.
_BUSY_SHARE = 0.05
# Seconds until the listener checks again whether CPUs are short.
_CPU_INTERVAL = 0.01
# Seconds between two checks of the limits that are reached and of the handlers that nobody needs.
_SWEEP_INTERVAL = 1.0


class Staffing:
    def __init__(
        self,
        *,
        sockets: Sequence[socket],
        acceptor: Acceptor,
        handler: Handler,
        loop: EventLoop,
        pool: Pool,
        cpu_wait: CpuWait | None,
        admission: Admission,
        reached: ReachedLimits,
        troubles: Troubles,
        outbox: Outbox,
        before_fork: Callable[[], object],
    ) -> None:
        """sockets are the listening ones. cpu_wait is None if handlers serve one connection only. before_fork
        takes reports and sends events; it is called before a fork for a connection that waits."""
        self._sockets = sockets
        self._acceptor = acceptor
        self._handler = handler
        self._loop = loop
        self._timers = loop.timers
        self._pool = pool
        self._cpu_wait = cpu_wait
        self._admission = admission
        self._reached = reached
        self._troubles = troubles
        self._outbox = outbox
        self._before_fork = before_fork
        self._give_way = GiveWay()
        self._is_watching = False  # the listening sockets
        self.has_closed = False

    def open(self) -> None:
        for listening in self._sockets:
            self._handler.prepare(listening.fileno())
        self._acceptor.prepare()

    def provide(self) -> None:
        """Forks or dismisses handlers, so that connections find one that waits.

        The listener watches the listening sockets only while no handler waits. Otherwise connections do not
        wake it.
        """
        room = 0 if self.has_closed else self._admission.room()
        missing = self._pool.missing(room, is_wanted=False)
        if missing > 0 and self._may_fork():
            self._fork(self._within_cpus(missing))
        elif missing < 0:
            self._dismiss(-missing)
        self._watch_sockets(self._may_fork() and not (self._pool.waiting or self._awaits_return()))
        if self.has_closed:
            return
        if self._admission.is_full() and not self._reached.has(FULL, ""):
            self._reached.add(FULL, "", 0)
        if self._pool.has_surplus() or self._reached or self._admission.remembers():
            self._timers.set_once("sweep", _SWEEP_INTERVAL, self._sweep)

    def refuse_new_connections(self) -> None:
        """Those that wait in the backlog are accepted still."""
        for listening in self._sockets:
            refuse_new_connections(listening)

    def close(self) -> None:
        """Ends accepting: dismisses the handlers that wait, and closes the sockets."""
        self.has_closed = True
        self.provide()
        for listening in self._sockets:
            listening.close()
        self._sockets = ()
        self._timers.cancel("sweep")
        self._reached.close()

    def help_out(self) -> None:
        """Forks a handler if connections wait although handlers do, as when somebody has stopped the handlers
        (SIGSTOP).

        It forks none if handlers have reported that they cannot accept: another handler could not either.
        """
        may_help = self._may_fork() and not self._troubles.are_recent()
        if may_help and self._admission.room() > len(self._pool.waiting) > 0 and self._acceptor.has_waiting():
            self._fork(1)

    def _may_fork(self) -> bool:
        return not (
            self.has_closed
            or self._admission.is_full()
            or self._troubles.is_pause()
            or self._outbox.is_overfull()
        )

    def _watch_sockets(self, is_wanted: bool) -> None:
        if is_wanted != self._is_watching:
            self._is_watching = is_wanted
            for listening in self._sockets:
                if is_wanted:
                    self._loop.watch(listening.fileno(), self._connection_waits)
                else:
                    self._loop.ignore(listening.fileno())

    def _connection_waits(self) -> None:
        self._before_fork()  # a connection may just have ended, so that its handler waits
        if self._may_fork():
            self._fork(self._within_cpus(self._pool.missing(self._admission.room(), is_wanted=True)))

    def _fork(self, handlers: int) -> None:
        """Forks handlers, _AT_ONCE of them before it gives way to these.

        A client that connects meanwhile waits for the CPU. If all are forked in one go, it waits longer than
        for a fork of its own with SpareHandlers=0 (p99, one client and calcd on one CPU). With three in one
        go, it does not. The rate of connections is a fifth higher, for the reason in calcd.linux.give_way.
        """
        while handlers > 0:
            group = min(handlers, _AT_ONCE)
            for _ in range(group):
                try:
                    handler = fork()
                except OSError as error:
                    self._troubles.pause()
                    self._troubles.note(error.errno or errno.EAGAIN, "fork")
                    return
                if handler == 0:
                    self._handler.run()
                self._pool.forked(handler)
            if self._cpu_wait is None:  # to which giving way would look like a lack of CPUs
                self._give_way.to(group)
            handlers -= group

    # CPUs that are too few ------------------------------------------------------------------------

    def _within_cpus(self, missing: int) -> int:
        """Returns how many of the missing handlers to fork now.

        If handlers wait for a CPU, and accept again after a connection, one more handler slows the others
        down. Then yet another one seems to be missing. With 32 clients on one CPU, 170 handlers were forked.
        They served 8,300 connections a second with a p99 of 36 ms; 20 handlers serve 9,800, with 5 ms.
        Handlers that have left are replaced in any case.
        """
        if self._cpu_wait is None or missing <= 0:
            return missing
        if not self._timers.is_set("cpus are short"):
            mostly_return = self._pool.mostly_return()
            passed, waited = self._cpu_wait.since_last_call()
            if not mostly_return or waited <= passed * _BUSY_SHARE:
                self._pool.unreplaced = 0
                return missing
            self._timers.set("cpus are short", _CPU_INTERVAL, lambda: None)
        replacements = min(missing, self._pool.unreplaced)
        self._pool.unreplaced -= replacements
        return replacements

    def _awaits_return(self) -> bool:
        """Returns whether a new connection waits until a handler has served its last one, so that no handler
        is forked."""
        return self._timers.is_set("cpus are short") and not self._pool.unreplaced

    # Handlers that nobody needs -------------------------------------------------------------------

    def _sweep(self) -> None:
        if self._admission.is_full():
            self._reached.add(FULL, "", 0)
        self._reached.sweep()
        if surplus := self._pool.surplus():
            self._dismiss(surplus)
        self._admission.forget(time.monotonic_ns())

    def _dismiss(self, handlers: int) -> None:
        self._pool.dismiss(handlers)
        self._tell_dismissed()

    def _tell_dismissed(self) -> None:
        """Signals the dismissed handlers, again and again until each has left or has accepted a connection.

        One signal is not enough: it can arrive just before accept(2) sleeps, which then sleeps on.
        """
        for handler in self._pool.dismissed:
            os.kill(handler, STOP_ACCEPTING)
        if self._pool.dismissed:
            self._timers.set("dismissed", _REMINDER_INTERVAL, self._tell_dismissed)
