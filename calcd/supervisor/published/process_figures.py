"""Memory and CPU time of calcd's processes."""

import os
import resource
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds
_PAGE = resource.getpagesize()


class Figures(NamedTuple):
    """Memory in bytes, CPU times in seconds."""

    memory: int
    cpu_of_user: float
    cpu_of_system: float


def of(listeners: Iterable[int]) -> Figures:
    """Returns the figures of this process and of the listeners with these PIDs, with the CPU time of all
    children that have ended. proc(5).

    A listener that has just ended is left out: its CPU time is in that of the children once it is reaped.
    """
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    memory = _resident(os.getpid())
    user = sum(each.ru_utime for each in used)
    system = sum(each.ru_stime for each in used)
    for pid in listeners:
        memory += _resident(pid)
        ticks = _ticks(pid)
        user += ticks[0] * _TICK
        system += ticks[1] * _TICK
    return Figures(memory, user, system)


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):  # it is a zombie, or there is no /proc
        return 0


def _ticks(pid: int) -> tuple[int, int]:
    """Returns the CPU time of a process and its children that have ended: user's and system's, in ticks."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0, 0
    user, system, users, systems = stat.rpartition(")")[2].split()[11:15]
    return int(user) + int(users), int(system) + int(systems)
