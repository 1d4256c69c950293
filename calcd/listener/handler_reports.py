"""Takes what handlers tell: their reports, their admission requests, and their ends."""

from __future__ import annotations

import errno
import os
import time

from calcd.handler import listener_signals, report
from calcd.handler.acceptor import CONNECTION_GONE
from calcd.handler.peers import host_of
from calcd.linux import signals
from calcd.listener import packets
from calcd.listener.admission import ADMITTED, FULL, UNTRUSTED

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

# Seconds between two reads of the reports, as long as handlers wait for connections.
_REPORTS_INTERVAL = 0.002
# Seconds between two checks of all handlers, for those that have ended unnoticed.
_CHECK_INTERVAL = 0.2


class HandlerReports:
    def __init__(
        self,
        *,
        reports: int,
        admission_requests: int,
        loop: EventLoop,
        pool: Pool,
        admission: Admission,
        sources: Sources,
        proxies: Sources | None,
        reached: ReachedLimits,
        troubles: Troubles,
        outbox: Outbox,
    ) -> None:
        """reports is the reading end of the handlers' pipe. admission_requests is an eventfd: a handler that
        has made an admission request writes to it, so that its report is read at once."""
        self._reports = reports
        self._admission_requests = admission_requests
        self._loop = loop
        self._pool = pool
        self._admission = admission
        self._sources = sources
        self._proxies = proxies
        self._reached = reached
        self._troubles = troubles
        self._outbox = outbox
        self._reaped = 0  # the PID of a handler that was just reaped, while its last reports are taken

    def open(self) -> None:
        self._watch_reports()
        self._loop.watch(self._admission_requests, self._take_admission_requests)

    # Reports --------------------------------------------------------------------------------------

    def _watch_reports(self) -> None:
        self._loop.watch(self._reports, self._look_at_reports)

    def _look_at_reports(self) -> None:
        """Takes reports now, and again after _REPORTS_INTERVAL instead of when the next one comes.

        1.  Under load, each connection would wake the listener twice. Reading many reports at once costs a
            fraction of that. The listener waits only if handlers wait, so that connections are accepted
            meanwhile, and if the pipe has room.
        2.  If handlers serve one connection only, the end of each handler wakes the listener anyway.
        """
        is_ahead = self._outbox.is_overfull()
        records = 0 if is_ahead else self.take_reports()
        if is_ahead or (self._pool.waiting and records < report.MANY):
            self._loop.ignore(self._reports)
            self._loop.timers.set("reports", _REPORTS_INTERVAL, self._watch_reports)

    def take_reports(self) -> int:
        """Takes the reports that have arrived. Returns their number."""
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
        elif kind in (report.ACCEPTED, report.PROXIED):
            asks, peer, *proxy = fields[2:]
            if proxy:
                self._header_has_come(handler, *proxy)
            if self._pool.may_accept(handler) and self._is_admitted(handler, now, asks, peer):
                # The supervisor counts checks of a proxy's own apart: they are in no sum.
                tell = self._outbox.tell_of if proxy == [peer] else self._outbox.accepted
                tell(handler, record)
            elif asks and handler in self._pool.serving:
                # Another handler has reported in this one's name. This one would wait for ever for an answer.
                self._signal(handler, signals.SIGKILL)
        elif kind == report.ARRIVED:
            if self._pool.may_accept(handler):
                self._admission.decide("", now)
                self._pool.accepted(handler, now, None)
        elif kind == report.HEADER_REFUSED:
            self._take_refusal(handler, record, *fields[2:4])
        elif handler not in self._pool.serving:
            pass  # a report in another's name
        elif kind == report.PROGRESS:
            self._outbox.progress(handler, record)
        else:
            self._ended(handler, leaves=fields[2])
            self._outbox.ended(handler, record, fields)

    def _ended(self, handler: int, leaves: bool) -> int:
        """The handler's connection has ended. Returns time.monotonic_ns() of its accept."""
        accepted, source = self._pool.serving[handler]
        self._pool.ended(handler, leaves)
        self._admission.ended(source or "")
        return accepted

    # Connections of proxies -----------------------------------------------------------------------

    def _header_has_come(self, handler: int, proxy: bytes) -> None:
        if self._proxies is not None:  # else a hijacked handler says so
            # Sources remembers the result, and the next forks inherit it.
            self._proxies.of(host_of(proxy.decode()))
        if self._pool.awaits_header(handler):
            self._waits_again(handler)

    def _waits_again(self, handler: int) -> None:
        """The header is there, and the client is admitted next; or nothing comes of the connection."""
        self._pool.waits_again(handler)
        self._admission.ended("")

    def _take_refusal(self, handler: int, record: bytes, reason: int, proxy: bytes) -> None:
        if reason == report.UNTRUSTED_PROXY:
            if self._pool.may_accept(handler):
                host = host_of(proxy.decode())
                self._reached.add(UNTRUSTED, self._sources.of(host) or host, 1)
            return
        if self._pool.awaits_header(handler):
            self._waits_again(handler)
        if self._pool.may_accept(handler):
            self._outbox.tell(record)

    # Admission requests ---------------------------------------------------------------------------

    def _take_admission_requests(self) -> None:
        try:
            os.eventfd_read(self._admission_requests)
        except BlockingIOError:  # a hijacked handler has read it
            pass
        self.take_reports()

    def _is_admitted(self, handler: int, now: int, asks: bool, peer: bytes) -> bool:
        # Also for exempt sources: Sources remembers the result, and the next forks inherit it.
        source = self._sources.of(host_of(peer.decode()))
        if not asks:
            source = ""
        decision = self._admission.decide(source, now)
        if asks:
            self._signal(
                handler, listener_signals.ADMITTED if decision == ADMITTED else listener_signals.REFUSED
            )
            if decision != ADMITTED:
                self._reached.add(decision, source, 1)
                return False
        if self._reached and self._reached.has(FULL, ""):
            self._reached.add(FULL, "", 1)
        self._pool.accepted(handler, now, source)
        return True

    def _signal(self, handler: int, number: int) -> None:
        """Signals a handler that has not been reaped. The PID of one that has may be another process's."""
        if handler != self._reaped:
            os.kill(handler, number)

    # Ends -----------------------------------------------------------------------------------------

    def take_ends(self, children: list[int]) -> None:
        """Reaps these children, from which SIGCHLD has come, and others that have ended.

        1.  wait(2) for any child checks each child. With 5,000 connections open, that took half of the
            listener's time. So the listener waits for the PID that the signal gives.
        2.  One SIGCHLD can stand for several children. So the listener also checks the handlers that have
            reported that they leave, and now and then all children.
        """
        for child in children:
            self._reap(child)
        for handler in list(self._pool.leaving):
            self._reap(handler)
        if len(self._pool):
            self._loop.timers.set_once("look", _CHECK_INTERVAL, self._reap_all)

    def _reap_all(self) -> None:
        while self._reap(-1):
            pass

    def _reap(self, pid: int) -> int:
        """Reaps the child with this PID, or any child for -1, if it has ended. Returns its PID, or 0."""
        try:
            handler, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return 0
        if handler:
            self._reaped = handler
            self.take_reports()  # the handler's last ones among them
            self._reaped = 0
            if self._pool.awaits_header(handler):  # the supervisor does not know of a connection yet
                self._waits_again(handler)
            if handler in self._pool.serving:
                microseconds = (time.monotonic_ns() - self._ended(handler, leaves=True)) // 1000
                self._outbox.tell_of(handler, packets.died(handler, status, microseconds))
            # If the handler could not accept, its connection's end was reported. A child that is no handler,
            # from before the exec, is reaped as well. Neither is logged as lost.
            if self._pool.left(handler) and status:
                self._outbox.tell(packets.lost(handler, status))
                self._troubles.pause()
        return handler
