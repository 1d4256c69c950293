"""Publishes what calcd tells of itself, in memory that listener and handlers read."""

import os
import platform
import socket
import time
from collections.abc import Callable

from calcd.linux.event_loop import Timers
from calcd.linux.shared_page import Writer
from calcd.log.log import Log
from calcd.supervisor.held import control
from calcd.supervisor.held.sockets import Sockets
from calcd.supervisor.memory import Memory
from calcd.supervisor.published import process_figures, rendering
from calcd.supervisor.published.facts import Facts
from calcd.supervisor.succession.roster import Roster

# Seconds until publish_soon() publishes.
_INTERVAL = 0.1


class Publication:
    def __init__(self, *, page: Writer, memory: Memory, log: Log, roster: Roster, timers: Timers) -> None:
        self._memory = memory
        self._log = log
        self._roster = roster
        self._timers = timers
        self._page = page
        self._max_connections = 0.0
        self._port = 0
        self._figures = process_figures.of(())
        # By request at the control socket (calcd.supervisor.held.control).
        self.texts = {
            control.STATUS: lambda: self._text(rendering.status),
            control.STATUS_IN_JSON: lambda: self._text(rendering.status_in_json),
            control.METRICS: lambda: self._text(rendering.metrics),
        }
        self._system = " ".join(os.uname()[index] for index in (0, 2, 4))

    def put_in_force(self, max_connections: float, sockets: Sockets) -> None:
        """Takes over what INFO tells of settings."""
        self._max_connections = max_connections
        self._port = _first_port(sockets)

    def publish_soon(self) -> None:
        """Something has changed."""
        self._timers.set_once("publish", _INTERVAL, self._publish)

    def publish(self) -> None:
        """Publishes all anew, with what is read of processes and not counted."""
        self._look_at_processes()
        self._publish()

    def _text(self, render: Callable[[Facts], bytes]) -> bytes:
        """A text for whoever asks the supervisor itself: it is up to date."""
        self._look_at_processes()
        return render(self.facts())

    def _look_at_processes(self) -> None:
        self._figures = process_figures.of(self._roster.alive)

    def _publish(self) -> None:
        facts = self.facts()
        self._page.write((rendering.info(facts), rendering.metrics(facts)))

    def facts(self) -> Facts:
        roster = self._roster
        return Facts(
            counters=self._memory.counters,
            max_connections=self._max_connections,
            port=self._port,
            pid=os.getpid(),
            started=self._memory.started,
            uptime=time.monotonic() - self._memory.began,
            system=self._system,
            python=platform.python_version(),
            memory=self._figures.memory,
            cpu_of_user=self._figures.cpu_of_user,
            cpu_of_system=self._figures.cpu_of_system,
            listeners=len(roster.alive),
            waiting=sum(listener.waiting for listener in roster.alive.values()),
            serving=sum(listener.serving for listener in roster.alive.values())
            + sum(len(listener.connections) for listener in roster.orphaned),
            log_lost=self._log.lost,
        )


def _first_port(sockets: Sockets) -> int:
    for listening in sockets.for_clients:
        if listening.socket.family != socket.AF_UNIX:
            return int(listening.socket.getsockname()[1])
    return 0
