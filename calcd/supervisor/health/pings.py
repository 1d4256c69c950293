"""Who watches whom: systemd the supervisor, the supervisor the listeners."""

from collections.abc import Callable

from calcd.linux.event_loop import Timers
from calcd.supervisor import sd_notify
from calcd.supervisor.health.files_in_place import FilesInPlace
from calcd.supervisor.held.listener_process import ListenerProcess
from calcd.supervisor.succession.roster import Roster

# Seconds between two pings to the listeners, and how many in a row one may leave unanswered. Counted, not
# timed: a machine that stood still itself has not sent any.
_INTERVAL = 2.0
_MAX_UNANSWERED = 5


class Pings:
    def __init__(
        self,
        *,
        roster: Roster,
        files: FilesInPlace,
        timers: Timers,
        watchdog_interval: float | None,
        hangs: Callable[[ListenerProcess, float], None],
    ) -> None:
        """watchdog_interval is that of calcd.supervisor.sd_notify; hangs is called with a listener that has
        not answered for so many seconds."""
        self._roster = roster
        self._files = files
        self._timers = timers
        self._has_watchdog = watchdog_interval is not None
        self._interval = min(watchdog_interval or _INTERVAL, _INTERVAL)
        self._hangs = hangs

    def ping_later(self) -> None:
        self._timers.set("ping", self._interval, self._ping)

    def _ping(self) -> None:
        """Sees to it that the loop of every listener turns, and assures systemd that this one does. Where
        there is no listener, the next one is on its way: a restart would only cut off who is connected."""
        current = self._roster.current
        if self._has_watchdog and (current is None or current.unanswered == 0):
            sd_notify.tell("WATCHDOG=1")
        for listener in self._roster.alive.values():
            if listener is not self._roster.candidate:  # which has a time of its own
                if listener.unanswered == _MAX_UNANSWERED:
                    self._hangs(listener, _MAX_UNANSWERED * self._interval)
                listener.ping()
        self._files.look()
        self.ping_later()
