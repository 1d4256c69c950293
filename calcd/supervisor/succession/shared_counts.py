"""Tells each listener that accepts of the other listeners' connections, because limits hold for all."""

from calcd.linux.event_loop import Timers
from calcd.supervisor.counts.connections import Connection
from calcd.supervisor.held.listener_process import ListenerProcess
from calcd.supervisor.succession.roster import Roster

# Seconds until counts that a listener has not taken are sent again.
_RETRY_INTERVAL = 0.02


class SharedCounts:
    def __init__(self, roster: Roster, timers: Timers) -> None:
        self._roster = roster
        self._timers = timers

    def introduce(self, candidate: ListenerProcess) -> None:
        """Tells a new listener of all connections."""
        for listener in self._roster:
            for connection in listener.connections.values():
                candidate.count_of_others(connection.host, 1)
        self.send()

    def count(self, listener: ListenerProcess, connection: Connection, difference: int) -> None:
        """Notes for send() that the listener has accepted a connection (1), or that one has ended (-1)."""
        for other in self._roster.accepting():
            if other is not listener:
                other.count_of_others(connection.host, difference)

    def send(self) -> None:
        for listener in self._roster.accepting():
            if not listener.send_counts():
                self._timers.set("counts", _RETRY_INTERVAL, self.send)
