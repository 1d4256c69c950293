"""Disks that are full or become read-only, and files that somebody removes, while clients are served."""

import contextlib
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from support.clients import Clients
from support.daemon import Calcd
from support.processes import wait_for

GONE = r"{} has been removed or replaced: .*, PID {}; kill -HUP does, and a restart makes it anew"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Where in_a_small_disk() has calcd see it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    return disk


def in_a_small_disk(disk: Path, then: str = "", stderr: str = "&2") -> tuple[str, ...]:
    """A prefix: calcd alone sees a file system of 16 MiB there, in a mount namespace of its own."""
    mount = f"mount -t tmpfs -o size=16m tmpfs {disk}; {then}"
    return ("unshare", "--mount", "sh", "-ec", f'{mount} exec "$@" 2>{stderr}', "sh")


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as full, contextlib.suppress(OSError):
        while True:
            full.write(bytes(4096))


def test_a_log_on_a_full_disk_gets_every_line_once_there_is_room(
    tmp_path: Path, folder: Path, disk: Path
) -> None:
    server = str(tmp_path / "socket")
    prefix = in_a_small_disk(disk, stderr=f"{disk}/log")
    with Calcd(folder, listen=[f"unix:{server}"], prefix=prefix) as calcd:
        seen = Path(f"/proc/{calcd.supervisor.pid}/root/{disk}")

        def logged(what: str) -> list[int]:
            lines = (seen / "log").read_text().splitlines()
            return [
                int(found[1]) for line in lines if (found := re.search(rf"connection (\d+) .* {what}", line))
            ]

        fill(seen / "ballast")
        with Clients(server) as clients:
            # What is left of the log's last block takes some lines yet.
            wait_for(lambda: (seen / "log").stat().st_size % 4096 == 0, "a log that has no room")
            clients.wait_for_answers()
            assert calcd.reload().returncode == 0
            assert calcd.upgrade().returncode == 0
            clients.wait_for_answers()
        assert "reloaded" not in (seen / "log").read_text()
        (seen / "ballast").unlink()
        wait_for(lambda: "upgraded" in (seen / "log").read_text(), "the line about the upgrade")
        assert "reloaded" in (seen / "log").read_text()
        wait_for(
            lambda: sorted(logged("ended")) == logged("opened"), "the end of every connection that was opened"
        )
        assert logged("opened") == list(range(1, len(logged("opened")) + 1))


def test_a_start_without_room_for_the_pidfile_is_refused(folder: Path, disk: Path) -> None:
    fill_it = f"head -c 17M /dev/zero >{disk}/ballast 2>/dev/null || :;"
    calcd = Calcd(folder, pidfile=disk / "calcd.pid", prefix=in_a_small_disk(disk, fill_it))
    assert calcd.start().returncode == 73
    assert calcd.log() == [
        f"calcd: pidfile {disk}/calcd.pid: No space left on device: make room or the folder for it, or give "
        "another with --pidfile"
    ]


def test_a_start_on_a_read_only_disk_is_refused(folder: Path, disk: Path) -> None:
    calcd = Calcd(
        folder, pidfile=disk / "calcd.pid", prefix=in_a_small_disk(disk, f"mount -o remount,ro {disk};")
    )
    assert calcd.start().returncode == 73
    assert calcd.log() == [
        f"calcd: pidfile {disk}/calcd.pid: Read-only file system: mount it writable, or give another with "
        "--pidfile"
    ]


def test_a_disk_that_becomes_read_only_hinders_neither_reload_nor_stop(tmp_path: Path, folder: Path) -> None:
    """What is left behind does not hinder the next start."""
    run = tmp_path / "run"
    listen = ["127.0.0.1:0", f"unix:{run}/socket"]
    run.mkdir()
    with Calcd(folder, pidfile=run / "calcd.pid", listen=listen, prefix=("unshare", "--mount")) as calcd:
        with Clients(calcd.address), Clients(str(run / "socket")):
            inside = ["nsenter", "--target", str(calcd.supervisor.pid), "--mount"]
            subprocess.run([*inside, "mount", "--bind", run, run], check=True)
            subprocess.run([*inside, "mount", "-o", "remount,bind,ro", run], check=True)
            calcd.signal(signal.SIGHUP)
            calcd.wait_for_log("reloaded: .*")
        calcd.stop()
        assert calcd.pidfile.read_text() == ""
        assert calcd.start().returncode == 0
        calcd.stop()
        assert not any(run.iterdir())


@pytest.mark.parametrize("removed", ["calcd.pid", "calcd.pid.control", "."])
def test_files_that_are_removed_are_missed_once_and_calcd_serves_on(
    tmp_path: Path, folder: Path, removed: str
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with Calcd(folder, pidfile=run / "calcd.pid") as calcd, Clients(calcd.address) as clients:
        missing = [run / "calcd.pid", run / "calcd.pid.control"] if removed == "." else [run / removed]
        calcd.expected += [GONE.format(path, calcd.supervisor.pid) for path in missing]
        if removed == ".":
            shutil.rmtree(run)
        else:
            (run / removed).unlink()
        for line in calcd.expected:
            calcd.wait_for_log(line)
        clients.wait_for_answers()
        calcd.signal(signal.SIGHUP)
        calcd.wait_for_log("reloaded: .*")
        assert [len(calcd.wait_for_log(line)) for line in calcd.expected] == [1] * len(missing)
    assert removed == "." or not any(run.iterdir())
