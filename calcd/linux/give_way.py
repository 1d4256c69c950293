"""Gives the CPU to processes that were just forked, so that they start before the caller goes on.

1.  A page that both processes write to after a fork is copied for the first of them, and the other one keeps
    it. The fewest pages are copied if the children write first.
2.  Linux may let who yields wait until everybody else has had a time slice. Processes that compute use all
    of theirs, some milliseconds each. So if a yield takes long, the caller gives way no more for a while, and
    longer each time. In between it yields once to find out.
3.  The caller gives way to processes of its own control group, if that has the cpu controller, or of its
    session (sched_autogroup_enabled in sched(7)). Where neither holds, it gives way to all.
"""

from __future__ import annotations

from os import sched_yield
from time import monotonic

# Seconds. A yield to processes that only start, or serve a request, takes less: measured, up to 1 ms.
_LONG = 0.002
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 10.0


class GiveWay:
    def __init__(self) -> None:
        self._pause = _FIRST_PAUSE
        self._paused_until = 0.0  # time.monotonic()

    def to(self, processes: int) -> None:
        """Gives way to so many processes, or to fewer if that takes long."""
        now = monotonic()
        if now < self._paused_until:
            return
        for _ in range(processes):
            sched_yield()
            before, now = now, monotonic()
            if now - before > _LONG:
                self._paused_until = now + self._pause
                self._pause = min(2 * self._pause, _LAST_PAUSE)
                return
        self._pause = _FIRST_PAUSE
