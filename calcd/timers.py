"""Deadlines for a loop that sleeps in select: named, so that setting one again moves it."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Timers:
    def __init__(self) -> None:
        self._timers: dict[str, tuple[float, Callable[[], None]]] = {}

    def set(self, name: str, seconds: float, action: Callable[[], None]) -> None:
        """Calls action once, so many seconds from now."""
        self._timers[name] = time.monotonic() + seconds, action

    def cancel(self, name: str) -> None:
        self._timers.pop(name, None)

    def is_set(self, name: str) -> bool:
        return name in self._timers

    def timeout(self) -> float | None:
        """Seconds until the next is due, for select; None when none is set."""
        if not self._timers:
            return None
        return max(0.0, min(when for when, _ in self._timers.values()) - time.monotonic())

    def run_due(self) -> None:
        now = time.monotonic()
        for name, (when, action) in list(self._timers.items()):
            if when <= now and self._timers.get(name) == (when, action):
                del self._timers[name]
                action()
