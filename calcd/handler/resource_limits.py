"""The memory and the CPU time that a handler may take: getrlimit(2)."""

from __future__ import annotations

import math
from resource import RLIM_INFINITY, RLIMIT_CPU, RLIMIT_DATA, getrlimit, setrlimit

from calcd.linux import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calcd.settings.limits import Limits


def restrict(limits: Limits) -> None:
    """Limits the resources of the caller's handlers: for the listener, whose forks inherit it at no cost.

    Their processor time is their own, and its limit is the listener's as well, whose own time has none: so
    it keeps SIGXCPU blocked, until the handler lets the signal through. What the listener has
    inherited that is less stays.
    """
    signals.block((signals.SIGXCPU,))
    for which, limit in ((RLIMIT_CPU, limits.handler_cpu_time), (RLIMIT_DATA, limits.handler_memory)):
        soft, hard = getrlimit(which)
        if limit != math.inf and (soft == RLIM_INFINITY or limit < soft):
            setrlimit(which, (math.ceil(limit), hard))
