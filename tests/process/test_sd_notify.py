"""What a service manager is told: sd_notify(3)."""

import contextlib
import os
import queue
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.daemon import Calcd, ask
from support.processes import DEADLINE, wait_for

from calcd.protocol.classic import Operation

_UCRED = struct.Struct("@iii")  # unix(7): pid, uid, gid


class Told(NamedTuple):
    pid: int  # who told it, as the kernel says
    lines: list[str]


class Manager:
    """The end at which systemd listens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(str(path))
        self.reads_barriers = threading.Event()
        self.reads_barriers.set()
        self._told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def close(self) -> None:
        self.reads_barriers.set()
        self.socket.shutdown(socket.SHUT_RD)
        self._reader.join()
        self.socket.close()

    def _read(self) -> None:
        # There is no room for the file descriptor of a barrier. So the kernel closes it, as systemd does.
        while data := self.socket.recv(4096, socket.MSG_PEEK):
            if data == b"BARRIER=1":
                self.reads_barriers.wait()
            data, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(_UCRED.size))
            if data != b"BARRIER=1":
                ((_, _, credentials),) = ancillary
                self._told.put(Told(_UCRED.unpack(credentials)[0], data.decode().splitlines()))

    def receive(self, seconds: float = DEADLINE) -> Told:
        """Raises queue.Empty."""
        return self._told.get(timeout=seconds)

    def wait_for(self, line: str) -> Told:
        """Lets pass what is told before."""
        end = time.monotonic() + DEADLINE
        while line not in (told := self.receive()).lines:
            assert time.monotonic() < end, f"{line} is not told"
        return told


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with contextlib.closing(Manager(tmp_path / "notify")) as manager:
        yield manager


NOTHING_YET = "STATUS=0 connections now, 0 served since 20"
CONFIG = "[calcd]\nListen=127.0.0.1:0\n"


def service(
    folder: Path,
    manager: Manager,
    *,
    watchdog: str = "0",
    watchdog_pid: str = "$$",
    foreground: bool = False,
) -> Calcd:
    """calcd in the environment of a service of Type=notify; watchdog is WatchdogSec=, in microseconds."""
    variables = f"NOTIFY_SOCKET={manager.path} WATCHDOG_USEC={watchdog} WATCHDOG_PID={watchdog_pid}"
    prefix = ("sh", "-c", f'{variables} exec "$@"', "sh")
    calcd = Calcd(folder, listen=(), prefix=prefix, foreground=foreground)
    calcd.config.write_text(CONFIG)
    return calcd


def test_the_launcher_says_that_calcd_is_ready_and_who_it_is(folder: Path, manager: Manager) -> None:
    """In one message, and in the first: NotifyAccess=main lets nobody but the main process speak, and that
    is the launcher until then."""
    with service(folder, manager) as calcd:
        pid, (mainpid, ready, status) = manager.receive()
        assert pid == calcd.launcher.pid
        assert (mainpid, ready) == (f"MAINPID={calcd.supervisor.pid}", "READY=1")
        assert status.startswith(NOTHING_YET)


def test_in_the_foreground_calcd_says_so_itself(folder: Path, manager: Manager) -> None:
    with service(folder, manager, foreground=True) as calcd:
        pid, (ready, status) = manager.receive()
        assert (pid, ready) == (calcd.launcher.pid, "READY=1")
        assert status.startswith(NOTHING_YET)


def test_until_it_is_known_who_calcd_is_the_launcher_passes_signals_on(
    folder: Path, manager: Manager
) -> None:
    with service(folder, manager) as calcd:
        calcd.stop()
        manager.wait_for("STOPPING=1")
        manager.reads_barriers.clear()
        calcd.launch()
        manager.wait_for("READY=1")
        calcd.launcher.send_signal(signal.SIGHUP)
        manager.reads_barriers.set()
        assert calcd.outcome().returncode == 0
        assert manager.wait_for("RELOADING=1").pid == calcd.supervisor.pid


def test_a_start_that_fails_is_not_ready(folder: Path, manager: Manager) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        calcd = service(folder, manager)
        calcd.config.write_text(f"[calcd]\nListen=127.0.0.1:{taken.getsockname()[1]}\n")
        assert calcd.start().returncode == 69
    with pytest.raises(queue.Empty):
        manager.receive(0)


def test_the_status_stays_true(folder: Path, manager: Manager) -> None:
    with service(folder, manager) as calcd:
        manager.wait_for("READY=1")
        with calcd.connect() as connection:
            ask(connection, Operation.ADD, 1, 1)
            assert _status(manager, calcd).startswith("STATUS=1 connection now, 0 served since 20")
        assert _status(manager, calcd).startswith("STATUS=0 connections now, 1 served since 20")


def _status(manager: Manager, calcd: Calcd) -> str:
    told = manager.receive()
    assert told.pid == calcd.supervisor.pid
    (line,) = told.lines
    return line


def test_a_stop_is_told_first(folder: Path, manager: Manager) -> None:
    with service(folder, manager) as calcd:
        calcd.stop()
        assert manager.wait_for("STOPPING=1").pid == calcd.supervisor.pid


@pytest.mark.parametrize("change", ["DrainTime=1s\n", "DrianTime=1s\n", "Listen=192.0.2.1:1\n"])
def test_a_reload_is_told_and_so_is_its_end_however_it_goes(
    folder: Path, manager: Manager, change: str
) -> None:
    with service(folder, manager) as calcd:
        calcd.expected.append("reload failed, the old settings stay in force: .*")
        manager.wait_for("READY=1")
        before = time.monotonic_ns() // 1000
        calcd.config.write_text(CONFIG + change)
        calcd.signal(signal.SIGHUP)
        told = manager.wait_for("RELOADING=1")
        _, monotonic = told.lines
        name, _, microseconds = monotonic.partition("=")
        assert name == "MONOTONIC_USEC"
        assert before <= int(microseconds) <= time.monotonic_ns() // 1000
        assert manager.receive() == Told(calcd.supervisor.pid, ["READY=1"])


def test_the_watchdog_is_fed_while_the_supervisor_turns_and_no_longer(folder: Path, manager: Manager) -> None:
    with service(folder, manager, watchdog="3000000") as calcd:
        for _ in range(3):
            assert manager.wait_for("WATCHDOG=1").pid == calcd.supervisor.pid
        os.kill(calcd.supervisor.pid, signal.SIGSTOP)
        wait_for(lambda: calcd.supervisor.status("State").startswith("T"), "a supervisor that is stopped")
        with pytest.raises(queue.Empty):
            for _ in range(3):  # one or two may have been told before
                manager.receive(seconds=1)
        os.kill(calcd.supervisor.pid, signal.SIGCONT)
        manager.wait_for("WATCHDOG=1")


def test_another_process_s_watchdog_is_not_fed(folder: Path, manager: Manager) -> None:
    with service(folder, manager, watchdog="300000", watchdog_pid="1"):
        manager.wait_for("READY=1")
        with pytest.raises(queue.Empty):
            manager.receive(seconds=1)
