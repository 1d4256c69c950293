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
        self._is_reused = connections_per_handler > 1
        # By the handler's PID: time.monotonic_ns() when its connection was accepted, and the source.
        self.serving: dict[int, tuple[int, str]] = {}
        self.waiting: set[int] = set()
        self.leaving: set[int] = set()
        self._dismissed = 0  # of those that wait; which of them will leave is not known yet
        self._fewest = 0  # that have waited at a time, since surplus() was asked

    def __len__(self) -> int:
        return len(self.waiting) + len(self.serving) + len(self.leaving)

    def __iter__(self) -> Iterator[int]:
        """Their PIDs."""
        yield from self.waiting
        yield from self.serving
        yield from self.leaving

    @property
    def idle(self) -> int:
        """Less than 0 when some that were to leave got a connection first."""
        return len(self.waiting) - self._dismissed

    def missing(self, room: float, is_wanted: bool) -> int:
        """How many to fork now; less than 0 to send away so many. room is how many more connections are
        allowed, is_wanted says that some wait.

        Several at a time, and again when half of them are gone: what the listener's memory costs a fork, to
        copy and to write to again, is for the next forks together.
        """
        idle = self.idle
        if idle <= 0 and is_wanted:
            wanted = max(1, self._spare)
        elif idle <= self._spare // 2:
            wanted = self._spare - idle
        else:
            wanted = 0
        idle = max(idle, 0)
        return int(max(-idle, min(wanted, room - idle)))

    def surplus(self) -> int:
        """How many to send away now: half of those that nobody has needed since the last call."""
        unneeded = min(self._fewest, self.idle) - self._spare
        self._fewest = self.idle
        return (unneeded + 1) // 2 if unneeded > 0 else 0

    def has_surplus(self) -> bool:
        return self.idle > self._spare

    def forked(self, handler: int) -> None:
        self.waiting.add(handler)

    def dismissed(self, handlers: int) -> None:
        """So many of those that wait have been sent away."""
        self._dismissed += handlers

    def accepted(self, handler: int, now: int, source: str) -> None:
        self.waiting.discard(handler)
        self.serving[handler] = now, source
        self._fewest = min(self._fewest, self.idle)

    def ended(self, handler: int, leaves: bool) -> None:
        """A connection of the handler's, which has been accepted."""
        del self.serving[handler]
        # A handler that was taken over may say what is not true, and must not keep another from being forked.
        if self._is_reused and not leaves:
            self.waiting.add(handler)
        else:
            self.leaving.add(handler)

    def left(self, handler: int) -> bool:
        """A handler has been waited for that served nobody; returns whether it had waited."""
        self.leaving.discard(handler)
        if handler not in self.waiting:
            return False
        self.waiting.remove(handler)
        self._dismissed = max(0, self._dismissed - 1)
        return True
