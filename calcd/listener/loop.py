"""The listener's loop: it forks handlers, takes their reports, and sends events to the supervisor.

The loop sleeps in one epoll. The listener accepts no connection: the handlers accept, and report it. For a
source with limits, a handler makes an admission request first.

The modules that the listener imports, and the memory that it touches between two forks, make up the cost of
a connection:

1.  fork(2) copies the page tables of all memory in use, and exit(2) frees them: 30 us for each MB. So no
    module of the listener imports enum (which signal, socket, selectors and json import), typing or
    collections.
2.  The first write to a page after a fork is a page fault, in the parent and in the child: 2 to 4 us. So the
    sockets are those of _socket, the C module under socket.
"""

from __future__ import annotations

import os

from calcd.handler.acceptor import Acceptor
from calcd.handler.client_ids import ClientIds
from calcd.handler.process import Handler
from calcd.handler.scrape import Scrape
from calcd.handler.warm_up import warm_up
from calcd.linux import signals
from calcd.linux.cpu_wait import CpuWait
from calcd.linux.event_loop import EventLoop
from calcd.linux.signalfd import read_signals
from calcd.listener import packets
from calcd.listener.admission import Admission
from calcd.listener.handler_reports import HandlerReports
from calcd.listener.leaving import Leaving
from calcd.listener.outbox import Outbox
from calcd.listener.pool import Pool
from calcd.listener.reached_limits import ReachedLimits
from calcd.listener.scrapes import Scrapes
from calcd.listener.staffing import Staffing
from calcd.listener.supervisor_link import Link
from calcd.listener.troubles import Troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Sequence

    from calcd.handler.published import Published
    from calcd.handler.sources import Sources
    from calcd.linux.process_title import Title
    from calcd.linux.seccomp import Filter
    from calcd.settings.limits import Limits

SIGNALS = (signals.SIGCHLD, signals.SIGTERM)


class Listener:
    def __init__(
        self,
        *,
        sockets: Sequence[socket],
        metrics: Sequence[socket],
        protocols: Sequence[str],
        proxies: Sources | None,
        supervisor: socket,
        reports: tuple[int, int],
        signals: int,
        has_successor: bool,
        drain_time: float,
        sums_up: bool,
        tells_progress: bool,
        spare_handlers: int,
        limits: Limits,
        sources: Sources,
        published: Published,
        title: Title,
        handlers_filter: Filter,
    ) -> None:
        """sockets are the listening ones for clients, protocols what each speaks (calcd.handler.acceptor).
        metrics are those for scrapes. calcd.handler.process describes proxies. supervisor is the listener's
        end of the pair. reports are the reading and the writing end of the handlers' pipe. signals is a
        signalfd for SIGNALS. calcd.listener.leaving describes has_successor and drain_time,
        calcd.listener.outbox sums_up and tells_progress."""
        reports_to_read, reports_to_write = reports
        admission_requests = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._signals = signals
        self._sources = sources
        self._loop = EventLoop()
        self._outbox = Outbox(sums_up=sums_up, tells_progress=tells_progress)
        self._admission = Admission(limits)
        self._pool = Pool(spare_handlers, limits.connections_per_handler)
        self._link = Link(
            supervisor, self._outbox, self._loop, obey=self._obey, supervisor_died=self._supervisor_died
        )
        cpu_wait = CpuWait() if self._pool.is_reused else None
        reached = ReachedLimits(self._outbox.tell)
        troubles = Troubles(self._outbox.tell, self._loop.timers)
        acceptor = Acceptor(sockets, protocols)
        not_for_handlers = [
            supervisor.fileno(),
            reports_to_read,
            signals,
            self._loop.fileno(),
            *(cpu_wait.files if cpu_wait else ()),
            *(listening.fileno() for listening in metrics),
        ]
        client_ids = ClientIds()
        warm_up(title, limits, sources, client_ids, proxies)
        handler = Handler(
            acceptor=acceptor,
            reports=reports_to_write,
            admission_requests=admission_requests,
            title=title,
            inherited=not_for_handlers,
            limits=limits,
            sources=sources,
            published=published,
            client_ids=client_ids,
            own_filter=handlers_filter,
            proxies=proxies,
            tells_progress=tells_progress,
        )
        self._scrapes = Scrapes(
            sockets=metrics,
            scrape=Scrape(published, handlers_filter, title),
            loop=self._loop,
            troubles=troubles,
            inherited=lambda: (
                *not_for_handlers,
                *acceptor.files(),
                client_ids.fileno(),
                admission_requests,
                reports_to_write,
            ),
        )
        self._reports = HandlerReports(
            reports=reports_to_read,
            admission_requests=admission_requests,
            loop=self._loop,
            pool=self._pool,
            admission=self._admission,
            sources=sources,
            proxies=proxies,
            reached=reached,
            troubles=troubles,
            outbox=self._outbox,
        )
        self._staffing = Staffing(
            sockets=sockets,
            acceptor=acceptor,
            handler=handler,
            loop=self._loop,
            pool=self._pool,
            cpu_wait=cpu_wait,
            admission=self._admission,
            reached=reached,
            troubles=troubles,
            outbox=self._outbox,
            before_fork=self._hear_and_tell,
        )
        self._leaving = Leaving(
            has_successor=has_successor,
            drain_time=drain_time,
            acceptor=acceptor,
            timers=self._loop.timers,
            pool=self._pool,
            admission=self._admission,
            reports=self._reports,
            staffing=self._staffing,
        )

    def run(self) -> None:
        """Serves until the supervisor tells it to leave, or has died, and every handler has ended."""
        self._staffing.open()
        self._scrapes.open()
        self._loop.watch(self._signals, self._take_signals)
        self._reports.open()
        self._link.open()  # takes the counts of other listeners' connections, before there is a handler
        self._outbox.tell(packets.ready())
        while True:
            if self._staffing.has_closed:
                self._scrapes.close_if_left()
            self._link.flush()
            self._staffing.provide()
            self._link.flush()
            if self._leaving.is_over() and not len(self._outbox) and self._scrapes.close():
                return
            self._loop.turn()

    def _hear_and_tell(self) -> None:
        self._reports.take_reports()
        self._link.flush()

    def _take_signals(self) -> None:
        children = []
        for number, pid in read_signals(self._signals):
            if number == signals.SIGCHLD:
                children.append(pid)
            else:
                self._leaving.drain()
        self._scrapes.reap()
        self._reports.take_ends(children)

    def _obey(self, packet: bytes) -> None:
        """Carries out a command of the supervisor."""
        command = packet[0]
        if command == packets.PING:
            self._outbox.tell(packets.alive(*self._pool.states()))
            self._staffing.help_out()
        elif command == packets.RETIRE:
            self._scrapes.leave()
            self._leaving.retire(has_successor=bool(packet[1]))
        elif command == packets.DRAIN:
            self._leaving.drain()
        elif command == packets.COUNT:
            difference, host = packets.decode_count(packet)
            self._admission.count(self._sources.of(host), difference)

    def _supervisor_died(self) -> None:
        self._scrapes.leave()  # nobody publishes any more
        self._leaving.drain_alone()
