"""Checks that the system allows calcd as many processes as MaxConnections= takes."""

import math
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from calcd.log import messages
from calcd.log.log import Log
from calcd.supervisor import system_limits

# The supervisor and, during a reload, two listeners.
_OWN_PROCESSES = 3


class Shortage(NamedTuple):
    """A limit of the system that is too low."""

    limit: str  # its name
    allowed: int  # processes
    remedy: str


def warn_if_short(log: Log, connections: float) -> None:
    """Logs a warning if the system allows fewer processes than this many connections take."""
    if short := shortage(connections):
        processes = connections + _OWN_PROCESSES
        log.write(messages.TOO_FEW, wanted=connections, processes=processes, **short._asdict())


def shortage(connections: float, root: Path = Path("/")) -> Shortage | None:
    """Returns the lowest limit that does not allow this many connections at a time, or None.

    A limit that cannot be read, in a sandbox, does not count. If the connections are not limited, no limit
    counts: then the administrator wants the system's limits to apply.
    """
    if connections == math.inf:
        return None
    short = [limit for limit in _limits(root) if limit.allowed < connections + _OWN_PROCESSES]
    return min(short, key=lambda limit: limit.allowed, default=None)


def _limits(root: Path) -> Iterator[Shortage]:
    words = system_limits.words(root)
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY and os.getuid() != 0:  # root is exempt: setrlimit(2)
        yield _shortage(words.processes_of_user, soft, words.raise_processes_of_user)
    for cgroup in _cgroups(root):
        if (allowed := _number(cgroup / "pids.max")) is not None:
            yield _shortage(words.processes_of_group, allowed, words.raise_processes_of_group)
    if (allowed := _number(root / "proc/sys/kernel/pid_max")) is not None:
        yield _shortage("kernel.pid_max", allowed, "Raise it by sysctl")


def _shortage(limit: str, allowed: int, remedy: str) -> Shortage:
    return Shortage(limit, allowed, f"{remedy}; or lower MaxConnections=.")


def _cgroups(root: Path) -> Iterator[Path]:
    """Yields the control groups of this process, up to the topmost. Each may have a limit: cgroups(7)."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "pids"):  # version 2, version 1
            top = root / "sys/fs/cgroup" / controllers
            group = top / path.lstrip("/")
            yield from (parent for parent in (group, *group.parents) if parent.is_relative_to(top))


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # else "max"
