"""Starts a new listener: at the start, at a reload, and when a listener has died.

1.  The new listener is a candidate until it sends Ready. Only then is the old one told to retire, which
    leaves its connections alone. So there is always a listener, and no connection is disturbed.
2.  If a candidate fails, the reload has failed, and the old listener serves on. If there is no old one, calcd
    tries again, and waits longer each time.
3.  A handler of the old listener that waits for a connection leaves when it gets its signal. Until then, a
    connection can still come under the old settings. So the reload is over when none of them waits, or after
    _LEAVING_TIME: somebody may have stopped one.
"""

import contextlib
import time
from collections.abc import Callable

from calcd.linux.event_loop import Timers
from calcd.listener import packets
from calcd.log import messages
from calcd.log.log import Log
from calcd.settings.table import Settings
from calcd.settings.values import format_span
from calcd.supervisor.counts.connections import describe
from calcd.supervisor.failure import ExitStatus, Failure, system_failure
from calcd.supervisor.held import listener_process
from calcd.supervisor.held.listener_process import ListenerProcess
from calcd.supervisor.held.sockets import Sockets
from calcd.supervisor.memory import Memory
from calcd.supervisor.succession.roster import Roster

# Seconds that a new listener may take to send Ready. It takes 0.05.
_READY_TIME = 10.0
# Seconds between two looks for handlers that still wait, and for how long at most.
_LEAVING_INTERVAL, _LEAVING_TIME = 0.01, 10.0
# Seconds. A listener that dies after having served for _STABLE is replaced at once. If listeners die sooner,
# the delay before the next one doubles, from _FIRST_DELAY up to _LAST_DELAY.
_STABLE = 10.0
_FIRST_DELAY, _LAST_DELAY = 0.1, 5.0


class Succession:
    def __init__(
        self,
        *,
        settings: Settings,
        sockets: Sockets,
        page: int,
        roster: Roster,
        timers: Timers,
        memory: Memory,
        log: Log,
        introduce: Callable[[ListenerProcess], None],
        settled: Callable[[Failure | None], None],
    ) -> None:
        """page is the file descriptor that calcd.supervisor.published has for listeners. introduce is called
        with each candidate once it has started. settled is called with None when a candidate serves, and
        nobody else does, and with the reason when it has failed."""
        self.settings = settings  # in force
        self.sockets = sockets  # likewise
        self._next = settings, sockets  # the candidate's
        self._page = page
        self._roster = roster
        self._timers = timers
        self._memory = memory
        self._log = log
        self._introduce = introduce
        self._settled = settled
        self.is_closed = False

    def start(self, settings: Settings, sockets: Sockets) -> None:
        """Starts a listener with these settings. It replaces the current one once it serves."""
        for name in ("restart", "leaving"):  # what this one settles
            self._timers.cancel(name)
        self._next = settings, sockets
        try:
            candidate = listener_process.start(sockets, settings, self._page)
        except OSError as error:
            self._candidate_failed(system_failure(error))
            return
        self._roster.candidate = candidate
        self._roster.alive[candidate.pid] = candidate
        self._introduce(candidate)
        self._timers.set("candidate", _READY_TIME, lambda: self.kill_hung(candidate, _READY_TIME))

    def ready(self, candidate: ListenerProcess) -> None:
        """A listener has sent Ready."""
        if candidate is not self._roster.candidate or self.is_closed:
            return
        old, self._roster.current, self._roster.candidate = self._roster.current, candidate, None
        self._timers.cancel("candidate")
        settings, sockets = self._next
        is_successor = set(self.sockets.for_clients) <= set(sockets)
        self._memory.serving_since = time.monotonic()
        # Before the old one looks whether anybody waits: nobody can connect to these any more.
        self.sockets.close_all_but(sockets)
        self.settings, self.sockets = settings, sockets
        if old:
            old.tell(packets.RETIRE, is_successor)
            old.ping()
            self._await_leaving(old, time.monotonic() + _LEAVING_TIME)
        else:
            self._settled(None)

    def _await_leaving(self, old: ListenerProcess, until: float) -> None:
        """Calls settled when no handler of the listener waits for a connection."""
        is_leaving = old.pid in self._roster.alive and time.monotonic() < until
        if is_leaving and not old.unanswered and old.waiting:
            old.ping()
        if is_leaving and old.unanswered:
            self._timers.set("leaving", _LEAVING_INTERVAL, lambda: self._await_leaving(old, until))
        else:
            self._settled(None)

    def kill_hung(self, listener: ListenerProcess, seconds: float) -> None:
        """Kills a listener that has not answered for this many seconds."""
        self._log.write(messages.LISTENER_HANGS, listener=listener.pid, time=format_span(seconds))
        listener.kill()

    def ended(self, listener: ListenerProcess, wait_status: int) -> None:
        """A listener has ended, and is now orphaned."""
        status = describe(wait_status)
        if listener is self._roster.candidate:
            self._candidate_failed(
                Failure(
                    ExitStatus.SOFTWARE,
                    f"the new listener ended before it was ready, {status}: standard error, or the journal, "
                    "shows why",
                )
            )
            return
        if listener is self._roster.current:
            self._roster.current = None
            if time.monotonic() - self._memory.serving_since > _STABLE:
                self._memory.delay = 0.0
        elif wait_status == 0:
            return  # it was retiring
        if self.is_closed:
            return
        self._memory.counters.listeners_lost += 1
        successor = "the one that serves"
        if self._roster.candidate:
            successor = "the one that is starting"
        elif not self._roster.current:
            successor = f"one that starts in {self.start_later()} s"
        self._log.write(messages.LISTENER_DIED, listener=listener.pid, status=status, successor=successor)

    def close(self) -> None:
        """Closes the sockets for clients and starts no further listener. So the addresses are free and the
        sockets' files are gone before the last connection has ended. Scrapes are answered until then."""
        self.is_closed = True
        for name in ("restart", "candidate", "leaving"):
            self._timers.cancel(name)
        _, sockets = self._next
        for each in (self.sockets, sockets):
            each.close_all_but(self.sockets.for_metrics)

    def _candidate_failed(self, failure: Failure) -> None:
        self._roster.candidate = None
        self._timers.cancel("candidate")
        if self.is_closed:
            return
        _, sockets = self._next
        sockets.close_all_but(self.sockets)
        with contextlib.suppress(Failure):  # what the old settings said of the sockets that stay
            self.sockets.admit(self.settings)
        self._settled(failure)

    def replace_later(self, failure: Failure) -> None:
        """Tries again later: there is no listener, and the attempt to start one has failed."""
        delay = self.start_later()
        self._log.write(messages.LISTENER_FAILED, reason=failure, delay=delay)

    def start_later(self) -> float:
        """Starts a listener after a delay. Returns the delay in seconds."""
        memory = self._memory
        delay, memory.delay = memory.delay, min(max(2 * memory.delay, _FIRST_DELAY), _LAST_DELAY)
        self._timers.set("restart", delay, lambda: self.start(self.settings, self.sockets))
        return delay
