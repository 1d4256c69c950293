"""Who is let in: the one place where that is decided, from counts and a time alone.

It has no socket and reads no clock, so that its tests need neither.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calcd.settings.limits import Limits

# What limits; as a decision about a connection, all but FULL. The last two say why it is refused.
ADMITTED, FULL, TOO_MANY, TOO_FAST = range(4)

_SECOND = 1_000_000_000


class Admission:
    """Counts the connections that are open, in all and by source (calcd.handler.sources)."""

    def __init__(self, limits: Limits) -> None:
        self._max = limits.max_connections
        self._max_of_source = limits.max_connections_per_source
        self._interval = int(_SECOND / limits.max_rate_per_source)  # 0 when there is no limit
        self._open = 0
        self._of_source: dict[str, int] = {}  # no source without a connection
        self._due: dict[str, int] = {}

    def is_full(self) -> bool:
        """No source is allowed another: accept none, and the kernel lets them wait."""
        return self._open >= self._max

    def room(self) -> float:
        """How many more may be open; less than 0 when other listeners have more than there was room for."""
        return self._max - self._open

    def decide(self, source: str, now: int) -> int:
        """Whether a new connection is ADMITTED, and counted, or why not. now is in ns, and never less than
        before; the empty source is exempt from what limits a single one."""
        if source:
            count = self._of_source.get(source, 0)
            if count >= self._max_of_source:
                return TOO_MANY
            if self._interval and self._is_too_fast(source, now):
                return TOO_FAST
            self._of_source[source] = count + 1
        self._open += 1
        return ADMITTED

    def _is_too_fast(self, source: str, now: int) -> bool:
        """The generic cell rate algorithm (ITU-T I.371): when a connection would have been due that kept to
        the rate, after all those before it, is all there is to remember. It may come a second too early."""
        due = max(self._due.get(source, 0), now)
        if due - now > _SECOND - self._interval:
            return True
        self._due[source] = due + self._interval
        return False

    def ended(self, source: str) -> None:
        """A connection that was admitted is over."""
        self.count(source, -1)

    def count(self, source: str, difference: int) -> None:
        """Connections that another listener has, or has no more."""
        self._open += difference
        if source:
            count = self._of_source.get(source, 0) + difference
            if count:
                self._of_source[source] = count
            else:
                self._of_source.pop(source, None)

    def remembers(self) -> bool:
        """Whether there is anything to forget()."""
        return bool(self._due)

    def forget(self, now: int) -> bool:
        """Forgets the sources that have kept to the rate, which are as good as new; True if some are left."""
        self._due = {source: due for source, due in self._due.items() if due > now}
        return self.remembers()
