"""Upgrades in place, one after the other: a hundred did as these."""

from pathlib import Path

from support.daemon import Calcd
from support.installed import Installed
from support.processes import Process, wait_for

_TIMES = 10


def resident(process: Process) -> int:
    """KiB."""
    return int(process.status("VmRSS").split()[0])


def test_they_leave_nothing_behind(folder: Path, installed: Installed) -> None:
    with Calcd(folder, tree=installed.tree) as calcd:
        assert calcd.upgrade().returncode == 0
        files, memory = len(calcd.supervisor.files()), resident(calcd.supervisor)
        for version in range(_TIMES):
            installed.set_version(f"78.{version}")
            assert calcd.upgrade().returncode == 0
        wait_for(lambda: len(calcd.supervisor.children()) == 1, "one child, the listener")
        wait_for(lambda: len(calcd.supervisor.files()) == files, f"{files} files: {calcd.supervisor.files()}")
        assert resident(calcd.supervisor) < 1.1 * memory
        assert calcd.info()["upgrades"] == f"succeeded={1 + _TIMES},failed=0"
