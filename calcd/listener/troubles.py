"""Counts failures of fork(2) and accept(2), and tells the supervisor of them at intervals."""

from __future__ import annotations

from calcd.listener import packets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from calcd.linux.event_loop import Timers

# Seconds without a fork after one has failed, or after a handler has died before it served. Trying again at
# once would spin. Exiting would end the connections that are served.
_PAUSE = 0.1
# Seconds between two events about troubles.
_INTERVAL = 10.0


class Troubles:
    def __init__(self, tell: Callable[[bytes], None], timers: Timers) -> None:
        self._tell = tell
        self._timers = timers
        self._counts: dict[tuple[int, str], int] = {}  # by errno and call: failures since the last event

    def pause(self) -> None:
        """Begins a pause, in which nothing is forked."""
        self._timers.set("pause", _PAUSE, lambda: None)

    def is_pause(self) -> bool:
        return self._timers.is_set("pause")

    def are_recent(self) -> bool:
        """Returns whether the last event is less than _INTERVAL ago."""
        return self._timers.is_set("troubles")

    def note(self, error: int, call: str) -> None:
        """A call has failed with this errno. call is "accept", "fork", or "gone" if a client had left before
        accept(2)."""
        self._counts[error, call] = self._counts.get((error, call), 0) + 1
        if not self.are_recent():
            self._tell_all()

    def _tell_all(self) -> None:
        if self._counts:
            for (error, call), times in self._counts.items():
                self._tell(packets.trouble(error, times, call))
            self._counts.clear()
            self._timers.set("troubles", _INTERVAL, self._tell_all)
