"""Reaps children that end: listeners, and the handlers of listeners that have died.

When a listener dies, the kernel makes its handlers children of the supervisor (PR_SET_CHILD_SUBREAPER in
prctl(2)). The supervisor then logs their ends.
"""

import contextlib
import os

from calcd.supervisor.counts.reached_limits import ReachedLimits
from calcd.supervisor.held.listener_process import ListenerProcess
from calcd.supervisor.succession.listener_events import ListenerEvents
from calcd.supervisor.succession.roster import Roster
from calcd.supervisor.succession.shared_counts import SharedCounts
from calcd.supervisor.succession.succession import Succession


class Reaping:
    def __init__(
        self,
        *,
        roster: Roster,
        events: ListenerEvents,
        shared: SharedCounts,
        succession: Succession,
        reached: ReachedLimits,
    ) -> None:
        self._roster = roster
        self._events = events
        self._shared = shared
        self._succession = succession
        self._reached = reached

    def reap(self) -> None:
        """Reaps all children that have ended: one SIGCHLD can stand for many."""
        dead = []
        with contextlib.suppress(ChildProcessError):
            while (child := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                dead.append(child)
        # The children's last events and reports come first, so that every handler that has died is known.
        # This also tries again to send what a listener had no room for, such as a stop, if no child has died.
        self._events.take_all()
        for listener in self._roster.orphaned:
            self._events.take_reports(listener)
        for pid, wait_status in dead:
            if pid in self._roster.alive:
                self._listener_ended(self._roster.alive.pop(pid), wait_status)
            else:
                self._orphan_ended(pid, wait_status)
        for listener in [orphaned for orphaned in self._roster.orphaned if orphaned.is_group_empty()]:
            # The listener had reaped these handlers, and died before it sent the events.
            for handler in list(listener.connections):
                self._events.orphan_ended(listener, handler, None)
            self._roster.orphaned.remove(listener)
            self._events.ignore(listener)
            listener.close()

    def _listener_ended(self, listener: ListenerProcess, wait_status: int) -> None:
        self._events.ignore(listener)
        self._roster.orphaned.append(listener)
        self._shared.await_headers(listener, 0)  # nobody tells any more when they are over
        self._events.take_reports(listener)
        self._events.watch_reports(listener)
        self._reached.listener_ended(listener.pid)
        self._succession.ended(listener, wait_status)

    def _orphan_ended(self, handler: int, wait_status: int) -> None:
        """A handler has ended whose listener died before it.

        The supervisor may not have reaped that listener yet: the kernel hands over its children first.
        """
        for listener in (*self._roster.orphaned, *self._roster.alive.values()):
            if handler in listener.connections:
                self._events.take_reports(listener)
            if handler in listener.connections:
                self._events.orphan_ended(listener, handler, wait_status)
                return
        # Other children are reaped and ignored. calcd inherits some if it is PID 1 of a container.
