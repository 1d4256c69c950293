"""What handlers tell: their reports, their requests for admission, and their ends."""

from __future__ import annotations

import errno
import os
import time

from calcd.handler import commands, report
from calcd.handler.peers import host_of
from calcd.handler.process import CONNECTION_GONE
from calcd.linux import signals
from calcd.listener import packets
from calcd.listener.admission import ADMITTED, FULL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from calcd.handler.sources import Sources
    from calcd.linux.event_loop import EventLoop
    from calcd.listener.admission import Admission
    from calcd.listener.outbox import Outbox
    from calcd.listener.pool import Pool
    from calcd.listener.reached_limits import ReachedLimits
    from calcd.listener.troubles import Troubles

# Seconds between two looks at what handlers tell, as long as some wait for connections.
_REPORTS_INTERVAL = 0.002
# Seconds between two looks at all handlers, for those that have ended unnoticed.
_LOOK = 0.2


class Hearing:
    def __init__(
        self,
        *,
        reports: int,
        admission_requests: int,
        loop: EventLoop,
        pool: Pool,
        admission: Admission,
        sources: Sources,
        reached: ReachedLimits,
        troubles: Troubles,
        outbox: Outbox,
    ) -> None:
        """reports is the reading end of the handlers' pipe; admission_requests an eventfd, by which a handler
        asks for a look there at once."""
        self._reports = reports
        self._admission_requests = admission_requests
        self._loop = loop
        self._pool = pool
        self._admission = admission
        self._sources = sources
        self._reached = reached
        self._troubles = troubles
        self._outbox = outbox
        self._reaped = 0  # a handler whose last reports are taken

    def open(self) -> None:
        self._watch_reports()
        self._loop.watch(self._admission_requests, self._take_admission_requests)

    # Reports --------------------------------------------------------------------------------------

    def _watch_reports(self) -> None:
        self._loop.watch(self._reports, self._look_at_reports)

    def _look_at_reports(self) -> None:
        """
        1.  Under load each connection would wake this process twice; what has come meanwhile is read at a
            fraction of the price, as long as connections find a handler that waits, and the pipe has room.
        2.  Where handlers are not used again, the end of each wakes it anyhow.
        """
        is_ahead = self._outbox.is_overfull()
        records = 0 if is_ahead else self.take_reports()
        if is_ahead or (self._pool.waiting and records < report.MANY):
            self._loop.ignore(self._reports)
            self._loop.timers.set("reports", _REPORTS_INTERVAL, self._watch_reports)

    def take_reports(self) -> int:
        """Returns how many there were."""
        records = report.read(self._reports)
        now = time.monotonic_ns()
        for record, fields in records:
            self._take(record, fields, now)
        return len(records)

    def _take(self, record: bytes, fields: tuple[Any, ...], now: int) -> None:
        kind, handler = fields[:2]
        if kind == report.FAILED:
            error = fields[2]
            if self._pool.may_accept(handler) and error in errno.errorcode:
                self._troubles.note(error, "gone" if error in CONNECTION_GONE else "accept")
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

    def _ended(self, handler: int, leaves: bool) -> int:
        """Returns time.monotonic_ns() of the connection's accept."""
        since, source = self._pool.serving[handler]
        self._pool.ended(handler, leaves)
        self._admission.ended(source)
        return since

    # Admission requests ---------------------------------------------------------------------------

    def _take_admission_requests(self) -> None:
        try:
            os.eventfd_read(self._admission_requests)
        except BlockingIOError:  # a handler that was taken over has read it
            pass
        self.take_reports()

    def _is_admitted(self, handler: int, now: int, asks: bool, peer: bytes) -> bool:
        # Also those that are exempt: the next handlers will have it from here, worked out.
        source = self._sources.of(host_of(peer.decode()))
        if not asks:
            source = ""
        decision = self._admission.decide(source, now)
        if asks:
            self._signal(handler, commands.ADMITTED if decision == ADMITTED else commands.REFUSED)
            if decision != ADMITTED:
                self._reached.add(decision, source, 1)
                return False
        if self._reached and self._reached.has(FULL, ""):
            self._reached.add(FULL, "", 1)
        self._pool.accepted(handler, now, source)
        return True

    def _signal(self, handler: int, number: int) -> None:
        """The PID of one that has been waited for may be somebody else's by now."""
        if handler != self._reaped:
            os.kill(handler, number)

    # Ends -----------------------------------------------------------------------------------------

    def take_ends(self, children: list[int]) -> None:
        """SIGCHLD has come from these children.

        1.  wait(2) for any child looks at each of them, which took half of a listener's time with 5,000
            connections open. So a handler is waited for by its PID, which the signal tells.
        2.  One SIGCHLD can stand for many: those that have said that they leave, and, now and then, all are
            looked at.
        """
        for child in children:
            self._reap(child)
        for handler in list(self._pool.leaving):
            self._reap(handler)
        if len(self._pool):
            self._loop.timers.set_once("look", _LOOK, self._look_at_all)

    def _look_at_all(self) -> None:
        while self._reap(-1):
            pass

    def _reap(self, pid: int) -> int:
        """Waits for a child if it has ended, -1 for whichever has; returns its PID, 0 when there is none."""
        try:
            handler, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return 0
        if handler:
            self._reaped = handler
            self.take_reports()  # what it has told before
            self._reaped = 0
            if handler in self._pool.serving:
                microseconds = (time.monotonic_ns() - self._ended(handler, leaves=True)) // 1000
                self._outbox.tell_of(handler, packets.died(handler, status, microseconds))
            # Else it told of its connection's end, or it is somebody's who exec'd: reaped, and not blamed.
            if self._pool.left(handler) and status:
                self._outbox.tell(packets.lost(handler, status))
                self._troubles.pause()
        return handler
