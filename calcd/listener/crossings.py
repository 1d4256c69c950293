"""The limits that are reached at present, each told of twice: when it begins, and when it has been over for a
while, with how many connections it affected. A flood that comes and goes is one crossing, not thousands.
"""

from __future__ import annotations

from calcd.listener import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Sweeps without anybody affected before a limit is no longer said to be reached.
_QUIET = 10


class Crossings:
    def __init__(self, tell: Callable[[bytes], None]) -> None:
        self._tell = tell
        # By limit and source: connections affected since the last event, sweeps since the last of them.
        self.present: dict[tuple[int, str], tuple[int, int]] = {}

    def has(self, limit: int, source: str) -> bool:
        return (limit, source) in self.present

    def reached(self, limit: int, source: str, affected: int) -> None:
        crossing = self.present.get((limit, source))
        if crossing is None:
            self._tell(events.limit(limit, False, affected, source))
            self.present[limit, source] = 0, 0
        else:
            self.present[limit, source] = crossing[0] + affected, 0

    def sweep(self) -> None:
        """To be called at regular times while there are any."""
        for (limit, source), (affected, quiet) in list(self.present.items()):
            is_over = quiet >= _QUIET
            if affected or is_over:
                self._tell(events.limit(limit, is_over, affected, source))
            if is_over:
                del self.present[limit, source]
            else:
                self.present[limit, source] = 0, quiet + 1

    def close(self) -> None:
        """Nobody is let in any more, so nobody is affected."""
        for (limit, source), (affected, _) in self.present.items():
            self._tell(events.limit(limit, True, affected, source))
        self.present.clear()
