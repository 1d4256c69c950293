"""Stops calcd: listeners and handlers drain, and are killed if they take too long."""

import signal
from functools import partial

from calcd.linux.event_loop import Timers
from calcd.listener import packets
from calcd.log import messages
from calcd.log.log import Log
from calcd.settings.values import format_span
from calcd.supervisor import sd_notify
from calcd.supervisor.counts.counters import Counters
from calcd.supervisor.succession.roster import Roster
from calcd.supervisor.succession.succession import Succession

# Seconds after the drain time until the supervisor kills what a listener should have killed.
_OVERRUN = 2.0
# Seconds between two SIGTERMs to handlers whose listener has died.
_REMINDER_INTERVAL = 0.1


class Stopping:
    def __init__(
        self, *, roster: Roster, succession: Succession, counters: Counters, timers: Timers, log: Log
    ) -> None:
        self._roster = roster
        self._succession = succession
        self._counters = counters
        self._timers = timers
        self._log = log

    def is_over(self) -> bool:
        return self._succession.is_closed and self._roster.is_empty()

    def stop(self) -> None:
        """The first call drains: clients get their answers. The second call kills all at once."""
        if self._succession.is_closed:
            self._abort("told to a second time")
            return
        sd_notify.tell("STOPPING=1")
        drain_time = self._succession.settings.drain_time
        self._log.write(
            messages.STOPPING, connections=self._counters.connections, drain_time=format_span(drain_time)
        )
        self._succession.close()
        for listener in self._roster.alive.values():
            listener.tell(packets.DRAIN)
        self._timers.set("drained", drain_time + _OVERRUN, partial(self._abort, "the time is over"))
        self._remind_orphans()

    def _remind_orphans(self) -> None:
        """Drains handlers whose listener has died, again and again. calcd.handler.deadlines, 4, says why."""
        for listener in self._roster.orphaned:
            listener.signal_group(signal.SIGTERM)
        self._timers.set("reminder", _REMINDER_INTERVAL, self._remind_orphans)

    def _abort(self, reason: str) -> None:
        self._log.write(messages.ABORTING, reason=reason, connections=self._counters.connections)
        for listener in self._roster:
            listener.signal_group(signal.SIGKILL)
