"""Tells each listener that accepts of the other listeners' connections, because limits hold for all.

No event tells of a connection that waits for the header of a proxy, which may take as long as ProxyTimeout=
says. So a listener tells with each answer to a ping how many these are. When a reload is over, the new one
knows of all. One that is admitted is counted twice until the next answer, so the limit is kept meanwhile.
"""

from calcd.linux.event_loop import Timers
from calcd.supervisor.counts.connections import Connection
from calcd.supervisor.held.listener_process import ListenerProcess
from calcd.supervisor.succession.roster import Roster

# Seconds until what a listener has not taken is sent again.
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
            candidate.count_of_others("", listener.awaiting_header)
        self.send()

    def count(self, listener: ListenerProcess, connection: Connection, difference: int) -> None:
        """Notes for send() that the listener has accepted a connection (1), or that one has ended (-1)."""
        self._count(listener, connection.host, difference)

    def await_headers(self, listener: ListenerProcess, connections: int) -> None:
        """Notes for send() that so many connections of the listener wait for the header of a proxy."""
        self._count(listener, "", connections - listener.awaiting_header)
        listener.awaiting_header = connections

    def _count(self, listener: ListenerProcess, host: str, difference: int) -> None:
        for other in self._roster.accepting():
            if other is not listener:
                other.count_of_others(host, difference)

    def send(self) -> None:
        """Sends what is noted, and commands that found the way full of counts. One that was told to retire or
        to drain accepts no more, and has to hear that all the same."""
        for listener in self._roster.alive.values():
            if not listener.send_rest():
                self._timers.set("counts", _RETRY_INTERVAL, self.send)
