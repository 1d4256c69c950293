"""Knows all listeners, and the state of each."""

from collections.abc import Iterator

from calcd.supervisor.held.listener_process import ListenerProcess


class Roster:
    """All listeners.

    A listener is a candidate until it sends Ready. It is the current one until the next candidate is ready.
    Then it is retiring. A listener that is dead is orphaned until its last handler has ended.
    """

    def __init__(self) -> None:
        self.alive: dict[int, ListenerProcess] = {}  # by PID: candidate, current and retiring
        self.orphaned: list[ListenerProcess] = []
        self.current: ListenerProcess | None = None
        self.candidate: ListenerProcess | None = None

    def __iter__(self) -> Iterator[ListenerProcess]:
        """Yields all listeners that may have connections."""
        yield from self.alive.values()
        yield from self.orphaned

    def accepting(self) -> Iterator[ListenerProcess]:
        """Yields the listeners that accept connections, or soon will: the current one and the candidate."""
        yield from (listener for listener in (self.current, self.candidate) if listener)

    def is_empty(self) -> bool:
        return not (self.alive or self.orphaned)
