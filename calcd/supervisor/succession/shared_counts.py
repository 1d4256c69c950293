"""Limits hold for the connections of all listeners together: each that accepts is told of the others'."""

from calcd.linux.event_loop import Timers
from calcd.supervisor.counts.connections import Connection
from calcd.supervisor.held.listener_process import ListenerProcess
from calcd.supervisor.succession.roster import Roster

# Seconds until what a listener does not take is sent again.
_AGAIN = 0.02


class SharedCounts:
    def __init__(self, roster: Roster, timers: Timers) -> None:
        self._roster = roster
        self._timers = timers

    def introduce(self, candidate: ListenerProcess) -> None:
        """A new listener is to hear of all connections that there are."""
        for listener in self._roster:
            for connection in listener.connections.values():
                candidate.count_of_others(connection.host, 1)
        self.send()

    def count(self, listener: ListenerProcess, connection: Connection, difference: int) -> None:
        """The listener has got a connection, or has lost one: for send()."""
        for other in self._roster.accepting():
            if other is not listener:
                other.count_of_others(connection.host, difference)

    def send(self) -> None:
        for listener in self._roster.accepting():
            if not listener.send_counts():
                self._timers.set("counts", _AGAIN, self.send)
