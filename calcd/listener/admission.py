"""Decides whether a connection is admitted, from counts and the time. Nothing else decides this.

The module has no socket and reads no clock, so its tests need neither.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calcd.settings.limits import Limits

# FULL, TOO_MANY and TOO_FAST are the limits that can be reached. The decision about a connection is
# ADMITTED, or TOO_MANY or TOO_FAST, the reason to refuse it. UNTRUSTED is what a handler decides: a source
# is not among the proxies.
ADMITTED, FULL, TOO_MANY, TOO_FAST, UNTRUSTED = range(5)

_SECOND = 1_000_000_000


class Admission:
    """Counts the open connections, in all and by source (calcd.handler.sources)."""

    def __init__(self, limits: Limits) -> None:
        self._max = limits.max_connections
        self._max_of_source = limits.max_connections_per_source
        self._interval = int(_SECOND / limits.max_rate_per_source)  # ns; 0 if there is no limit
        self._open = 0
        self._of_source: dict[str, int] = {}  # only sources that have a connection
        self._next_due: dict[str, int] = {}  # by source, in ns: see _is_too_fast()

    def is_full(self) -> bool:
        """Returns whether no source may have another connection. New ones then wait in the backlog."""
        return self._open >= self._max

    def room(self) -> float:
        """Returns how many more connections may be open. It is negative if other listeners have more than
        there was room for."""
        return self._max - self._open

    def decide(self, source: str, now: int) -> int:
        """Decides about a new connection and counts it if it is admitted. Returns ADMITTED, TOO_MANY or
        TOO_FAST.

        now is in ns and never decreases. The empty source is exempt from the limits for a source.
        """
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
        """Applies the generic cell rate algorithm (ITU-T I.371).

        It remembers one time for each source: when the next connection is due, if all keep to the rate. A
        connection may come up to a second before that.
        """
        due = max(self._next_due.get(source, 0), now)
        if due - now > _SECOND - self._interval:
            return True
        self._next_due[source] = due + self._interval
        return False

    def ended(self, source: str) -> None:
        """A connection that was admitted has ended."""
        self.count(source, -1)

    def count(self, source: str, difference: int) -> None:
        """Adds connections to the counts, or subtracts them. Other listeners' connections count as well."""
        self._open += difference
        if source:
            count = self._of_source.get(source, 0) + difference
            if count:
                self._of_source[source] = count
            else:
                self._of_source.pop(source, None)

    def remembers(self) -> bool:
        """Returns whether forget() may have something to forget."""
        return bool(self._next_due)

    def forget(self, now: int) -> None:
        """Forgets the sources whose next connection is due: they are treated like new ones."""
        self._next_due = {source: due for source, due in self._next_due.items() if due > now}
