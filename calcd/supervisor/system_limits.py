"""What the limits of the system are called where calcd runs, and how they are raised there."""

from pathlib import Path
from typing import NamedTuple


class Words(NamedTuple):
    processes_of_group: str  # the limit of a control group
    raise_processes_of_group: str
    processes_of_user: str
    raise_processes_of_user: str
    # What to do where accept(2) and fork(2) fail.
    accept: str
    fork: str


_OF_A_UNIT = Words(
    processes_of_group="TasksMax=",
    raise_processes_of_group="Raise TasksMax= in the unit",
    processes_of_user="LimitNPROC=",
    raise_processes_of_user="Raise LimitNPROC= in the unit, or ulimit -u",
    accept="Raise LimitNOFILE= in the unit, or fs.file-max, or add memory.",
    fork="Raise TasksMax= in the unit, or kernel.pid_max, or add memory.",
)
_ELSEWHERE = Words(
    processes_of_group="pids.max of its control group",
    raise_processes_of_group="Raise it, in a container by --pids-limit or what else its engine calls it",
    processes_of_user="ulimit -u",
    raise_processes_of_user="Raise it",
    accept="Raise ulimit -n, or fs.file-max, or add memory.",
    fork="Raise pids.max of the control group, which is a container's limit of processes, or ulimit -u, or "
    "kernel.pid_max, or add memory.",
)


def words(root: Path = Path("/")) -> Words:
    """Returns the words for this process: those of systemd only where it runs in a unit of it.

    systemd names the control group of a service after its unit. In a container the name is an engine's, or
    hidden by a namespace: cgroup_namespaces(7).
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return _ELSEWHERE
    return _OF_A_UNIT if any(line.endswith(".service") for line in lines) else _ELSEWHERE
