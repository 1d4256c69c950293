"""The handlers by what they do, and how many more there should be, or fewer: from counts alone.

It forks nothing and sends nobody away, so that its tests need no process.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Pool:
    """A handler waits, then serves, then waits again or leaves."""

    def __init__(self, spare: int, connections_per_handler: float) -> None:
        """spare is how many are to wait when none is needed."""
        self._spare = spare
        self.is_reused = connections_per_handler > 1
        # By the handler's PID: time.monotonic_ns() when its connection was accepted, and the source.
        self.serving: dict[int, tuple[int, str]] = {}
        self.waiting: set[int] = set()
        self.dismissed: set[int] = set()  # have waited, and are to leave; a connection may be faster
        self.leaving: set[int] = set()
        self._fewest = 0  # that have waited at a time, since surplus() was asked
        self._returned: set[int] = (
            set()
        )  # have waited again after a connection, since mostly_return() was asked
        self.gone = 0  # have left, and may have to be replaced: for who counts down
        self.connections = 0  # accepted, in all

    def __len__(self) -> int:
        return len(self.waiting) + len(self.dismissed) + len(self.serving) + len(self.leaving)

    def __iter__(self) -> Iterator[int]:
        """Their PIDs."""
        yield from self.waiting
        yield from self.dismissed
        yield from self.serving
        yield from self.leaving

    def missing(self, room: float, is_wanted: bool) -> int:
        """How many to fork now; less than 0 to send away so many. room is how many more connections are
        allowed, is_wanted says that some wait.

        Several at a time, and again when half of them are gone: what the listener's memory costs a fork, to
        copy and to write to again, is for the next forks together.
        """
        idle = len(self.waiting)
        if idle == 0 and is_wanted:
            wanted = max(1, self._spare)
        elif idle <= self._spare // 2:
            wanted = self._spare - idle
        else:
            wanted = 0
        return int(max(-idle, min(wanted, room - idle)))

    def surplus(self) -> int:
        """How many to send away now: half of those that nobody has needed since the last call."""
        unneeded = self._fewest - self._spare
        self._fewest = len(self.waiting)
        return (unneeded + 1) // 2 if unneeded > 0 else 0

    def mostly_return(self) -> bool:
        """Whether more than half as many handlers as serve now have waited again after a connection since the
        last call, and are there."""
        there = sum(handler in self.waiting or handler in self.serving for handler in self._returned)
        self._returned.clear()
        return there > len(self.serving) / 2

    def has_surplus(self) -> bool:
        return len(self.waiting) > self._spare

    def forked(self, handler: int) -> None:
        self.waiting.add(handler)

    def dismiss(self, handlers: int) -> None:
        """So many of those that wait are to be sent away."""
        for _ in range(handlers):
            self.dismissed.add(self.waiting.pop())
        self._fewest = min(self._fewest, len(self.waiting))

    def may_accept(self, handler: int) -> bool:
        return handler in self.waiting or handler in self.dismissed

    def accepted(self, handler: int, now: int, source: str) -> None:
        """One that may accept has got a connection."""
        self.waiting.discard(handler)
        self.dismissed.discard(handler)
        self.serving[handler] = now, source
        self.connections += 1
        self._fewest = min(self._fewest, len(self.waiting))

    def ended(self, handler: int, leaves: bool) -> None:
        """A connection of the handler's, which has been accepted."""
        del self.serving[handler]
        # A handler that was taken over may say what is not true, and must not keep another from being forked.
        if self.is_reused and not leaves:
            self.waiting.add(handler)
            self._returned.add(handler)
        else:
            self.leaving.add(handler)
            self.gone += 1

    def left(self, handler: int) -> bool:
        """A handler has been waited for that served nobody; returns whether it might have."""
        has_waited = self.may_accept(handler)
        if handler in self.waiting:
            self.gone += 1
        for handlers in (self.waiting, self.dismissed, self.leaving):
            handlers.discard(handler)
        self._fewest = min(self._fewest, len(self.waiting))
        return has_waited
