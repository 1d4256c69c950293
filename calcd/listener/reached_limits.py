"""The limits that are reached at present, each told of twice: when it begins, and when it has been over for a
while, with how many connections it affected. A flood that comes and goes is told of once, not a thousand
times.
"""

from __future__ import annotations

from calcd.listener import packets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Sweeps without anybody affected before a limit is no longer said to be reached.
_QUIET = 10


class ReachedLimits:
    def __init__(self, tell: Callable[[bytes], None]) -> None:
        self._tell = tell
        # By limit and source: connections affected since the last event, sweeps since the last of them.
        self._present: dict[tuple[int, str], tuple[int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._present)

    def has(self, limit: int, source: str) -> bool:
        return (limit, source) in self._present

    def add(self, limit: int, source: str, affected: int) -> None:
        """The limit is reached, and so many connections are affected by that."""
        present = self._present.get((limit, source))
        if present is None:
            self._tell(packets.limit(limit, False, affected, source))
            self._present[limit, source] = 0, 0
        else:
            self._present[limit, source] = present[0] + affected, 0

    def sweep(self) -> None:
        """To be called at regular times while there are any."""
        for (limit, source), (affected, quiet) in list(self._present.items()):
            is_over = quiet >= _QUIET
            if affected or is_over:
                self._tell(packets.limit(limit, is_over, affected, source))
            if is_over:
                del self._present[limit, source]
            else:
                self._present[limit, source] = 0, quiet + 1

    def close(self) -> None:
        """Nobody is let in any more, so nobody is affected."""
        for (limit, source), (affected, _) in self._present.items():
            self._tell(packets.limit(limit, True, affected, source))
        self._present.clear()
