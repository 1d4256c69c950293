"""What keeps handlers from being forked or from accepting, for a while: told of at intervals, with counts."""

from __future__ import annotations

from calcd.listener import packets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from calcd.linux.event_loop import Timers

# Seconds without a fork when the system is out of what it takes, or handlers die before they serve: trying
# again at once would spin, and exiting would end what is still served.
_PAUSE = 0.1
# Seconds between two events that tell of the same trouble.
_INTERVAL = 10.0


class Troubles:
    def __init__(self, tell: Callable[[bytes], None], timers: Timers) -> None:
        self._tell = tell
        self._timers = timers
        self._counts: dict[tuple[int, str], int] = {}  # errno and call: how often since it was told

    def pause(self) -> None:
        """Nothing is forked for a while."""
        self._timers.set("pause", _PAUSE, lambda: None)

    def is_pause(self) -> bool:
        return self._timers.is_set("pause")

    def are_recent(self) -> bool:
        """Some were told of within the last seconds."""
        return self._timers.is_set("troubles")

    def note(self, error: int, call: str) -> None:
        """A call has failed with this errno: accept, fork, or gone for a client that had left."""
        self._counts[error, call] = self._counts.get((error, call), 0) + 1
        if not self.are_recent():
            self._tell_all()

    def _tell_all(self) -> None:
        if self._counts:
            for (error, call), times in self._counts.items():
                self._tell(packets.trouble(error, times, call))
            self._counts.clear()
            self._timers.set("troubles", _INTERVAL, self._tell_all)
