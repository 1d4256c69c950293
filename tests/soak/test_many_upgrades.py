"""A hundred upgrades in place, one after the other."""

from pathlib import Path

from support.daemon import Calcd
from support.installed import Installed
from support.processes import Process, wait_for


def resident(process: Process) -> int:
    """KiB."""
    return int(process.status("VmRSS").split()[0])


def test_they_leave_nothing_behind(tmp_path: Path) -> None:
    installed = Installed(tmp_path / "tree")
    folder = tmp_path / "calcd"
    folder.mkdir()
    with Calcd(folder, tree=installed.tree) as calcd:
        assert calcd.upgrade().returncode == 0
        files, memory = calcd.supervisor.files().keys(), resident(calcd.supervisor)
        for version in range(100):
            installed.set_version(f"78.{version}")
            assert calcd.upgrade().returncode == 0
        wait_for(lambda: len(calcd.supervisor.children()) == 1, "one child, the listener")
        wait_for(
            lambda: len(calcd.supervisor.files()) == len(files),
            f"{len(files)} files: {calcd.supervisor.files()}",
        )
        assert resident(calcd.supervisor) < 1.1 * memory
        assert calcd.info()["upgrades"] == "succeeded=101,failed=0"
