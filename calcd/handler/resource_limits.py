"""Limits the memory and the CPU time of handlers: getrlimit(2)."""

from __future__ import annotations

import math
from resource import RLIM_INFINITY, RLIMIT_CPU, RLIMIT_DATA, getrlimit, setrlimit

from calcd.linux import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calcd.settings.limits import Limits


def restrict(limits: Limits) -> None:
    """Sets the resource limits of handlers. The listener calls it, and its forks inherit the limits for free.

    The kernel counts the CPU time of each process by itself, but applies the limit to the listener as well,
    which shall have none. So the listener blocks SIGXCPU, and a handler unblocks it. A lower limit that the
    listener has inherited stays in force.
    """
    signals.block((signals.SIGXCPU,))
    for which, limit in ((RLIMIT_CPU, limits.handler_cpu_time), (RLIMIT_DATA, limits.handler_memory)):
        soft, hard = getrlimit(which)
        if limit != math.inf and (soft == RLIM_INFINITY or limit < soft):
            setrlimit(which, (math.ceil(limit), hard))
