"""Sends the line that systemctl status shows."""

from collections.abc import Callable

from calcd.linux.event_loop import Timers
from calcd.supervisor import sd_notify
from calcd.supervisor.counts.counters import Counters
from calcd.supervisor.counts.reached_limits import ReachedLimits

# Seconds until tell_soon() sends the line.
_INTERVAL = 1.0


class Status:
    def __init__(
        self, counters: Counters, reached: ReachedLimits, timers: Timers, *, changed: Callable[[], None]
    ) -> None:
        """changed is called when what the line is made of has changed."""
        self._counters = counters
        self._reached = reached
        self._timers = timers
        self._changed = changed

    def __str__(self) -> str:
        return self._counters.status() + self._reached.status()

    def tell(self) -> None:
        self._changed()
        self._send()

    def tell_soon(self) -> None:
        self._changed()
        self._timers.set_once("status", _INTERVAL, self._send)

    def _send(self) -> None:
        sd_notify.tell(f"STATUS={self}")
