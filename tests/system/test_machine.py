"""The machines themselves: a run of the tests that is killed is no hindrance for the next."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import Process, every_process, wait_for
from system.machine import SUITES, TREE, Root, base_root, remove_leftovers

BOOT = """
import sys
from system.machine import Machine
with Machine(sys.argv[1]) as machine:
    print(machine.name, machine.output("echo in $$"), flush=True)
    sys.stdin.read()
"""
BUILD = """
import sys
from pathlib import Path
from system import machine
machine.CACHE = Path(sys.argv[1])
machine.base_root("trixie", machine.Root())
"""
# Stands for a build that has come half way: more than one process is at work, and something is mounted.
HALF_A_BUILD = """#!/bin/sh -e
for folder; do :; done
mkdir "$folder" "$folder/proc"
mount -t tmpfs tmpfs "$folder/proc"
for i in $(seq 10000); do mkdir -p "$folder/half"; done &
: >&3
wait
"""
WHOLE_BUILD = """#!/bin/sh
for folder; do :; done
mkdir "$folder" "$folder/etc"
"""


def start(program: str, argument: str) -> subprocess.Popen[str]:
    """Another run of the tests."""
    return subprocess.Popen(
        [sys.executable, "-c", program, argument],
        env={**os.environ, "PYTHONPATH": f"{TREE}:{TREE}/tests"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def processes_with(word: str) -> list[Process]:
    return [process for process in every_process() if process.belongs(lambda p: word in p.title)]


def test_a_machine_ends_with_a_run_that_is_killed_and_leaves_nothing_to_the_next() -> None:
    """Even one that does not shut down any more: here its PID 1 stands still."""
    run = start(BOOT, SUITES[-1])
    assert run.stdout is not None
    name = run.stdout.readline().split()[0]
    (nspawn,) = processes_with(f"--machine={name}")
    for process in nspawn.children():
        os.kill(process.pid, signal.SIGSTOP)
    run.kill()
    run.communicate()
    wait_for(lambda: not processes_with(name), f"the end of {name}")

    def is_clean() -> bool:
        remove_leftovers()
        find = ["find", "/sys/fs/cgroup", "/run/systemd/nspawn", "-name", name]
        return not subprocess.run(find, capture_output=True, check=False).stdout

    wait_for(is_clean, f"nothing that is left of {name}")


def test_a_build_ends_with_a_run_that_is_killed_and_the_next_builds_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mmdebstrap = tmp_path / "bin" / "mmdebstrap"
    mmdebstrap.parent.mkdir()
    monkeypatch.setenv("PATH", f"{mmdebstrap.parent}:{os.environ['PATH']}")
    monkeypatch.setattr("system.machine.CACHE", tmp_path)
    at_work = tmp_path / "at work"
    mmdebstrap.write_text(HALF_A_BUILD.replace("&3", f"'{at_work}'"))
    mmdebstrap.chmod(0o755)
    run = start(BUILD, str(tmp_path))
    wait_for(at_work.exists, "half a build")
    run.kill()
    run.communicate()
    mmdebstrap.write_text(WHOLE_BUILD)
    root = base_root("trixie", Root())
    assert [path.name for path in root.iterdir()] == ["etc"]
    assert processes_with(str(tmp_path)) == []
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
