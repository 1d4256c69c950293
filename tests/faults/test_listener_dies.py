"""The listener hangs, or does not start any more, while clients are served; beside
tests/process/test_recovery.py, where it dies and the next one starts."""

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from support.clients import Clients
from support.daemon import REPORT_LOST, TREE, Calcd, ask, receive
from support.processes import Process, wait_for
from support.reports import open_reports_of
from support.strace import injected

from calcd.handler import report
from calcd.listener import packets
from calcd.protocol.classic import Operation, encode_request

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

HANGS = r"the listener \d+ has not answered for (\S+), and is killed: .*"
DIED = r"the listener \d+ died: killed by signal 9 \(SIGKILL\); .*"
FAILED = r"no new listener: the new listener ended before it was ready, exit status 3: .*; .* in (\S+) s"
SYS_PIDFD_GETFD = 438  # on every architecture
CRASH = "raise SystemExit(3)\n"
HANG = "import time\ntime.sleep(1000)\n"


class Tree:
    """A copy of the program, in which the listener's can be broken and mended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(TREE / "calcd", folder / "calcd", ignore=shutil.ignore_patterns("__pycache__"))
        self._module = folder / "calcd/listener/main.py"

    def break_listener(self, how: str) -> None:
        self._module.write_text(how)

    def let_supervisor_not_know_of_progress(self) -> None:
        source = self.folder / "calcd/supervisor/held/listener_process.py"
        text, times = re.subn(r' *"hears_progress": 1,.*\n', "", source.read_text())
        assert times == 1
        source.write_text(text)

    def mend_listener(self) -> None:
        shutil.copy(TREE / "calcd/listener/main.py", self._module)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


def kill_listener(calcd: Calcd) -> None:
    os.kill(calcd.listener.pid, signal.SIGKILL)
    calcd.wait_for_log(DIED)


@pytest.mark.long
def test_one_that_is_stopped_is_replaced_and_nobody_is_disconnected(folder: Path) -> None:
    with Calcd(folder) as calcd, Clients(calcd.address, spare=1) as clients:
        calcd.expected += [HANGS, DIED, REPORT_LOST]
        listener = calcd.listener
        os.kill(listener.pid, signal.SIGSTOP)
        assert calcd.wait_for_log(HANGS)[0][1] == "10s"
        calcd.wait_for_log(DIED)
        clients.wait_for_answers()
        assert calcd.listener.pid != listener.pid
        assert len(calcd.wait_for_log(HANGS)) == len(calcd.wait_for_log(DIED)) == 1


def test_clients_of_one_that_died_are_counted_while_they_go_on(folder: Path) -> None:
    """Their handlers report to the supervisor now. In a pipe that it does not empty, they wait for room."""
    with Calcd(folder) as calcd, calcd.connect() as connection:
        calcd.expected += [DIED, REPORT_LOST]
        assert ask(connection, Operation.ADD, 1, 1) == 2
        calcd.wait_for_log("connection 1 .* opened, .*")
        kill_listener(calcd)
        fill_the_pipe_of_reports(connection, calcd)
        asked = 1

        def are_counted() -> bool:
            nonlocal asked
            for _ in range(100):
                assert ask(connection, Operation.ADD, 20, 22) == 42
            asked += 100
            command = calcd.command("--status", "--json")
            answer = subprocess.run(command, cwd=TREE, check=True, capture_output=True)
            counted = json.loads(answer.stdout)["Stats"]["total_commands_processed"]
            return 1 < int(counted) <= asked

        wait_for(are_counted, "its requests to be counted")


@pytest.mark.long
def test_a_supervisor_from_before_an_upgrade_gets_no_reports_for_which_it_has_no_use(
    folder: Path, tree: Tree
) -> None:
    """It would leave them in the pipe of a listener that is dead, until handlers wait for room."""
    tree.let_supervisor_not_know_of_progress()
    with Calcd(folder, tree=tree.folder) as calcd, calcd.connect() as connection:
        assert ask(connection, Operation.ADD, 1, 1) == 2
        os.kill(calcd.listener.pid, signal.SIGSTOP)
        fill_the_pipe_of_reports(connection, calcd)
        began = time.monotonic()
        while time.monotonic() < began + 2.5:  # a handler that reports its progress does so once a second
            assert ask(connection, Operation.ADD, 20, 22) == 42
        os.kill(calcd.listener.pid, signal.SIGCONT)


def fill_the_pipe_of_reports(connection: socket.socket, calcd: Calcd) -> None:
    _, reports = open_reports_of(connection, calcd)
    with reports:
        os.set_blocking(reports.fileno(), False)
        reports.write(b"." * report.CAPACITY)


def test_what_one_had_told_is_known_though_it_died_before_it_read_a_command(folder: Path) -> None:
    """The kernel then says once that the connection was reset, before it hands out what had been told. The
    supervisor is held up where it has looked for news, and is about to find the listener dead."""
    with Calcd(folder) as calcd, calcd.connect() as connection:
        # The second connection's end may be what it has heard of when it is killed.
        calcd.expected += [DIED, REPORT_LOST, "since .*"]
        assert ask(connection, Operation.ADD, 1, 1) == 2
        calcd.wait_for_log("connection 1 .* opened, .*")
        listener, (handler,) = calcd.listener, calcd.handlers
        with injected(calcd.supervisor, "wait4:delay_enter=1000000:when=1"):
            calcd.signal(signal.SIGUSR1)
            calcd.wait_for_log("since .*")
            connection.close()
            wait_for(lambda: not handler.exists, "the handler to be waited for")
            # The listener does one thing after the other: it has told of that when it serves the next one.
            with calcd.connect() as another:
                assert ask(another, Operation.ADD, 1, 1) == 2
            os.kill(listener.pid, signal.SIGSTOP)
            with supervisors_end(calcd.supervisor) as commands:
                commands.send(bytes([packets.PING]))
            os.kill(listener.pid, signal.SIGKILL)
            calcd.wait_for_log(r"connection 1 .* closed by client; requests: 1, .*")


def supervisors_end(supervisor: Process) -> socket.socket:
    """A copy of its socket to the listener: pidfd_getfd(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(supervisor.pid)
    try:
        for fd, name in supervisor.files().items():
            if name.startswith("socket:"):
                duplicate = libc.syscall(SYS_PIDFD_GETFD, pidfd, fd, 0)
                if duplicate < 0:  # a container's seccomp filter may forbid it
                    raise OSError(ctypes.get_errno(), "pidfd_getfd")
                copy = socket.socket(fileno=duplicate)
                is_listening = copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if copy.type == socket.SOCK_SEQPACKET and not is_listening:
                    return copy
                copy.close()
    finally:
        os.close(pidfd)
    raise AssertionError("no such socket")


@pytest.mark.long
def test_a_new_one_that_hangs_fails_the_reload_and_the_old_one_serves_on(folder: Path, tree: Tree) -> None:
    with Calcd(folder, tree=tree.folder) as calcd, Clients(calcd.address) as clients:
        calcd.expected += [HANGS, "reload failed, the old settings stay in force: the new listener ended .*"]
        listener = calcd.listener
        tree.break_listener(HANG)
        assert calcd.reload().returncode == 70
        assert calcd.wait_for_log(HANGS)[0][1] == "10s"
        clients.wait_for_answers()
        assert calcd.listener.pid == listener.pid


def test_one_that_does_not_start_is_tried_less_and_less_often_until_it_does(folder: Path, tree: Tree) -> None:
    with Calcd(folder, tree=tree.folder) as calcd, calcd.connect() as connection:
        calcd.expected += [DIED, FAILED]
        assert ask(connection, Operation.ADD, 1, 1) == 2
        address = calcd.address
        tree.break_listener(CRASH)
        kill_listener(calcd)
        with calcd.connect() as waiting:
            waiting.sendall(encode_request(Operation.ADD, 20, 22))
            delays = [line[1] for line in calcd.wait_for_log(FAILED, times=4)]
            assert delays == ["0.2", "0.4", "0.8", "1.6"]
            assert ask(connection, Operation.ADD, 2, 2) == 4
            tree.mend_listener()
            assert receive(waiting, 1) == (42,)
        with Clients(address):
            pass


def test_a_reload_tries_at_once(folder: Path, tree: Tree) -> None:
    with Calcd(folder, tree=tree.folder) as calcd:
        calcd.expected += [DIED, FAILED]
        tree.break_listener(CRASH)
        kill_listener(calcd)
        calcd.wait_for_log(FAILED, times=5)  # 3.2 s to the next
        tree.mend_listener()
        began = time.monotonic()
        assert calcd.reload().returncode == 0
        assert time.monotonic() - began < 3
        with Clients(calcd.address):
            pass


def test_a_stop_is_answered_while_none_starts(folder: Path, tree: Tree) -> None:
    """The supervisor drains whoever is connected."""
    with Calcd(folder, tree=tree.folder) as calcd, calcd.connect() as connection:
        calcd.expected += [DIED, FAILED]
        assert ask(connection, Operation.ADD, 1, 1) == 2
        calcd.wait_for_log("connection 1 .* opened, .*")
        tree.break_listener(CRASH)
        kill_listener(calcd)
        calcd.wait_for_log(FAILED, times=2)
        calcd.signal(signal.SIGTERM)
        assert connection.recv(1) == b""
        calcd.wait_for_log(r"connection 1 .* closed by calcd, which stops; .*")
        calcd.wait_until_gone()


def test_a_start_whose_listener_crashes_fails_and_says_so(folder: Path, tree: Tree) -> None:
    calcd = Calcd(folder, tree=tree.folder)
    tree.break_listener(CRASH)
    assert calcd.start().returncode == 70
    assert calcd.log() == [
        "calcd: the new listener ended before it was ready, exit status 3: standard error, or the journal, "
        "shows why"
    ]
    assert sorted(os.listdir(folder)) == ["calcd.conf", "log"]
