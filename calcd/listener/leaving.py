"""Ends a listener: it serves the backlog, closes its sockets, and waits until the last handler has ended."""

from __future__ import annotations

import math
import os

from calcd.handler.listener_signals import STOP_ACCEPTING
from calcd.linux import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calcd.handler.acceptor import Acceptor
    from calcd.linux.event_loop import Timers
    from calcd.listener.admission import Admission
    from calcd.listener.handler_reports import HandlerReports
    from calcd.listener.pool import Pool
    from calcd.listener.staffing import Staffing

# Seconds between two signals to all handlers. calcd.handler.deadlines, 4, says why one is not enough.
_REMINDER_INTERVAL = 0.1
# How many times handlers that serve are told to accept no more.
_STOP_ACCEPTING_TIMES = 10
# Seconds between two checks of the backlog before the sockets are closed.
_BACKLOG_INTERVAL = 0.01
# The largest backlog that calcd sets: Backlog=.
_MAX_BACKLOG = 65_535


class Leaving:
    def __init__(
        self,
        *,
        has_successor: bool,
        drain_time: float,
        acceptor: Acceptor,
        timers: Timers,
        pool: Pool,
        admission: Admission,
        reports: HandlerReports,
        staffing: Staffing,
    ) -> None:
        """has_successor says that systemd holds the sockets: when this listener drains, it need not serve the
        backlog, because the next calcd does. drain_time is in seconds."""
        self._has_successor = has_successor
        self._drain_time = drain_time
        self._acceptor = acceptor
        self._timers = timers
        self._pool = pool
        self._admission = admission
        self._reports = reports
        self._staffing = staffing
        self._is_draining = False
        self._is_alone = False  # the supervisor is dead
        self._last_connection = 0  # ends the wait for the backlog when so many are accepted in all

    def is_over(self) -> bool:
        return self._staffing.has_closed and not len(self._pool)

    def retire(self, has_successor: bool) -> None:
        """Stops accepting, and closes the sockets.

        If no successor serves the backlog, this listener serves it first. Connections that are in the backlog
        when the last process closes the socket are reset, with their requests.
        """
        if self._staffing.has_closed or self._timers.is_set("backlog"):
            return
        # Bounded, so that clients that keep connecting cannot keep the listener for ever.
        self._last_connection = self._pool.connections + (0 if has_successor else _MAX_BACKLOG)
        self._close_when_nobody_waits()

    def drain(self) -> None:
        """Retires, and ends every connection once its client has got its answers. Connections that are still
        open after the drain time are cut off."""
        if not self._is_draining:
            self._is_draining = True
            # Those of the backlog who are let in last need time as well. Timers that are due together run in
            # this order: nobody is let in any more when _kill() makes room.
            self._timers.set("last call", self._drain_time / 2, self._give_up_backlog)
            self._timers.set("drained", self._drain_time, self._kill)
            if self._staffing.has_closed:
                self._tell_all(signals.SIGTERM, math.inf)
            else:
                self.retire(self._has_successor)

    def drain_alone(self) -> None:
        """Drains after the supervisor's death. Its sockets are nobody's now, unless systemd has them too.

        While the supervisor lives, only the supervisor may give up a socket: the next listener accepts from
        it.
        """
        self._is_alone = True
        if not self._has_successor:
            self._staffing.refuse_new_connections()
        self.drain()

    def _close_when_nobody_waits(self) -> None:
        self._reports.take_reports()
        if self._pool.connections < self._last_connection and self._acceptor.has_waiting():
            if not self._admission.is_full():
                self._timers.set("backlog", _BACKLOG_INTERVAL, self._close_when_nobody_waits)
                return
            # There is room for those that wait once the others have got their answers. Of those that other
            # listeners serve, only the supervisor tells.
            if self._is_draining and (self._pool.serving or not self._is_alone):
                for handler in self._pool.serving:
                    os.kill(handler, signals.SIGTERM)
                self._timers.set("backlog", _REMINDER_INTERVAL, self._close_when_nobody_waits)
                return
        self._staffing.close()
        if self._is_draining:
            self._tell_all(signals.SIGTERM, math.inf)
        elif self._pool.is_reused:
            self._tell_all(STOP_ACCEPTING, _STOP_ACCEPTING_TIMES)

    def _give_up_backlog(self) -> None:
        if self._timers.is_set("backlog"):
            self._timers.cancel("backlog")
            self._last_connection = 0
            self._close_when_nobody_waits()

    def _tell_all(self, signal: int, times: float) -> None:
        """Sends a signal to all handlers, by the process group that they share with the listener.

        It sends the signal several times: one that arrives just before read(2) sleeps does not interrupt it.
        """
        os.killpg(0, signal)
        if times > 1:
            self._timers.set("told", _REMINDER_INTERVAL, lambda: self._tell_all(signal, times - 1))

    def _kill(self) -> None:
        self._pool.are_killed = True
        for handler in self._pool:
            os.kill(handler, signals.SIGKILL)
