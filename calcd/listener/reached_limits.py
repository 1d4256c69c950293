"""Tells the supervisor which limits are reached.

There is an event when a limit is first reached, and one when it has not been reached for a while, with the
number of connections that were affected. In between, events only carry counts. So a flood that comes and goes
is logged once and not a thousand times.
"""

from __future__ import annotations

from calcd.listener import packets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# A limit is over after this many sweeps in which no connection was affected.
_QUIET_SWEEPS = 10


class ReachedLimits:
    def __init__(self, tell: Callable[[bytes], None]) -> None:
        self._tell = tell
        # By limit and source: the connections affected since the last event, and the sweeps since then.
        self._present: dict[tuple[int, str], tuple[int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._present)

    def has(self, limit: int, source: str) -> bool:
        return (limit, source) in self._present

    def add(self, limit: int, source: str, affected: int) -> None:
        """The limit is reached, and this many connections are affected."""
        present = self._present.get((limit, source))
        if present is None:
            self._tell(packets.limit(limit, False, affected, source))
            self._present[limit, source] = 0, 0
        else:
            self._present[limit, source] = present[0] + affected, 0

    def sweep(self) -> None:
        """Tells of changes. Call it at regular intervals while a limit is reached."""
        for (limit, source), (affected, quiet) in list(self._present.items()):
            is_over = quiet >= _QUIET_SWEEPS
            if affected or is_over:
                self._tell(packets.limit(limit, is_over, affected, source))
            if is_over:
                del self._present[limit, source]
            else:
                self._present[limit, source] = 0, quiet + 1

    def close(self) -> None:
        """Ends all: the listener accepts no more connections, so none is affected."""
        for (limit, source), (affected, _) in self._present.items():
            self._tell(packets.limit(limit, True, affected, source))
        self._present.clear()
