"""Watches the listeners by pings, and tells systemd, which watches the supervisor, that all is well."""

from collections.abc import Callable

from calcd.linux.event_loop import Timers
from calcd.supervisor import sd_notify
from calcd.supervisor.health.files_in_place import FilesInPlace
from calcd.supervisor.held.listener_process import ListenerProcess
from calcd.supervisor.succession.roster import Roster

# Seconds between two pings, and how many in a row a listener may leave unanswered. They are counted and not
# timed, because a machine that stands still sends no pings.
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
        publish: Callable[[], None],
        hangs: Callable[[ListenerProcess, float], None],
    ) -> None:
        """watchdog_interval is that of calcd.supervisor.sd_notify. publish is called with each ping. hangs is
        called with a listener that does not answer, and the seconds for which it has not answered."""
        self._roster = roster
        self._files = files
        self._timers = timers
        self._has_watchdog = watchdog_interval is not None
        self._interval = min(watchdog_interval or _INTERVAL, _INTERVAL)
        self._publish = publish
        self._hangs = hangs

    def ping_later(self) -> None:
        self._timers.set("ping", self._interval, self._ping)

    def _ping(self) -> None:
        """Pings every listener, to check that its loop runs, and tells systemd that the supervisor's does.

        systemd is told so even if there is no listener. The next one will start soon. A restart by systemd
        would only cut off the open connections.
        """
        current = self._roster.current
        if self._has_watchdog and (current is None or current.unanswered == 0):
            sd_notify.tell("WATCHDOG=1")
        for listener in self._roster.alive.values():
            if listener is not self._roster.candidate:  # a candidate has its own time limit
                if listener.unanswered == _MAX_UNANSWERED:
                    self._hangs(listener, _MAX_UNANSWERED * self._interval)
                listener.ping()
        self._files.look()
        self._publish()
        self.ping_later()
