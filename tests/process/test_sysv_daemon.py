"""The fifteen steps that daemon(7) asks of a SysV daemon, each seen from outside, in /proc."""

import contextlib
import fcntl
import os
import pty
import pwd
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.addresses import own_address
from support.daemon import Calcd, ask
from support.launcher import held_back
from support.processes import Process, every_process, of_session

from calcd.handler.listener_signals import STOP_ACCEPTING
from calcd.protocol.classic import Operation

# What a careless caller leaves to those whom it starts: all signals ignored and blocked, a variable that
# nobody else should see, and a umask.
CARELESS = ("env", "--ignore-signal", "--block-signal", "SECRET=1", "sh", "-c", 'umask 077; exec "$@"', "sh")


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calcd]:
    """Started by a careless caller."""
    with Calcd(tmp_path_factory.mktemp("calcd"), prefix=CARELESS) as calcd:
        yield calcd


@pytest.fixture
def processes(calcd: Calcd) -> Iterator[list[Process]]:
    """Supervisor, listener, and the handler of a connection."""
    with calcd.connect() as connection:
        yield _processes(calcd, connection)


def _processes(calcd: Calcd, connection: socket.socket) -> list[Process]:
    ask(connection, Operation.ADD, 1, 1)
    title = "calcd: serving {}:{}".format(*connection.getsockname())  # others may still be on their way out
    (handler,) = [process for process in calcd.handlers if process.belongs(lambda p: p.title == title)]
    return [calcd.supervisor, calcd.listener, handler]


def _signals(process: Process, field: str) -> set[int]:
    """The signals in SigIgn, SigBlk and the like: proc_pid_status(5)."""
    mask = int(process.status(field), 16)
    return {number for number in signal.valid_signals() if mask >> (number - 1) & 1}


def test_1_the_files_that_its_caller_had_open_are_closed(tmp_path: Path, folder: Path) -> None:
    """Close all open file descriptors except standard input, output, and error."""
    inherited = tmp_path / "inherited"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Up to a number beyond the limit that calcd sets itself, if the system has such.
    highest = min(hard, 10_000) - 1
    with contextlib.ExitStack() as at_the_end, inherited.open("w") as file:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, highest + 1), hard))
        at_the_end.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        fds = [fcntl.fcntl(file, fcntl.F_DUPFD, number) for number in (3, 100, highest)]
        for fd in fds:
            at_the_end.callback(os.close, fd)
        with Calcd(folder, pass_fds=fds) as calcd, calcd.connect() as connection:
            for process in _processes(calcd, connection):
                assert str(inherited) not in process.files().values(), process


def test_2_the_signals_that_its_caller_ignored_are_not_ignored(processes: list[Process]) -> None:
    """Reset all signal handlers to their default. calcd itself ignores those that would end it and mean
    nothing to it."""
    # Python turns these two into errors of the call; those for all of calcd are the supervisor's to answer.
    pythons = {signal.SIGPIPE, signal.SIGXFSZ}
    others = {signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT}
    stray = {signal.SIGQUIT, signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO}
    stray |= {signal.SIGPWR, signal.SIGSTKFLT, *range(signal.SIGRTMIN, signal.SIGRTMAX + 1)}
    supervisor, *rest = processes
    assert _signals(supervisor, "SigIgn") == pythons | stray
    for process in rest:
        assert _signals(process, "SigIgn") == pythons | others


def test_3_the_signals_that_its_caller_blocked_are_not_blocked(processes: list[Process]) -> None:
    """Reset the signal mask. The listener blocks the two that it reads from a signalfd, and the two that are
    for handlers alone; a handler the two by which the listener answers it."""
    supervisor, listener, handler = processes
    assert _signals(supervisor, "SigBlk") == set()
    assert _signals(listener, "SigBlk") == {signal.SIGCHLD, signal.SIGTERM, signal.SIGXCPU, STOP_ACCEPTING}
    assert _signals(handler, "SigBlk") == {signal.SIGRTMIN, signal.SIGRTMIN + 1}


def test_4_the_environment_is_clean(processes: list[Process]) -> None:
    """Sanitize the environment block, removing or resetting environment variables that might negatively
    impact daemon runtime. The supervisor's own, in /proc, stays what the launcher was started with."""
    supervisor, *others = processes
    assert "SECRET" in supervisor.environment()
    for process in others:
        assert process.environment().keys() == {"PATH", "LD_BIND_NOW"}


def test_5_it_is_a_background_process(calcd: Calcd) -> None:
    """Call fork(), to create a background process."""
    assert calcd.supervisor.pid != calcd.launcher.pid
    assert calcd.supervisor.group != os.getpgid(0)


def test_6_it_has_a_session_of_its_own_and_no_terminal(tmp_path: Path) -> None:
    """In the child, call setsid() to detach from any terminal and create an independent session."""
    ours, theirs = pty.openpty()
    # The shell fails where there is no controlling terminal.
    prefix = ("setsid", "--ctty", "sh", "-c", ': </dev/tty && exec "$@"', "sh")
    with Calcd(tmp_path, prefix=prefix, stdin=theirs) as calcd:
        os.close(theirs)
        os.close(ours)  # hangs up
        with calcd.connect() as connection:
            for process in _processes(calcd, connection):
                assert process.terminal == 0
                assert process.session == calcd.session
        assert calcd.session not in (calcd.launcher.pid, os.getsid(0))


def test_7_it_can_never_get_a_terminal_again(processes: list[Process]) -> None:
    """In the child, call fork() again, to ensure that the daemon can never re-acquire a terminal again:
    only the leader of a session can."""
    for process in processes:
        assert process.pid != process.session


def test_8_its_parent_is_init(calcd: Calcd) -> None:
    """Call exit() in the first child, so that only the second child stays around and is adopted by PID 1,
    or by whoever among the ancestors has asked for orphans (PR_SET_CHILD_SUBREAPER)."""
    ancestors = [Process(os.getpid())]
    while ancestors[-1].pid > 1:
        ancestors.append(Process(ancestors[-1].parent))
    assert calcd.supervisor.parent in [ancestor.pid for ancestor in ancestors]
    assert calcd.session not in [process.pid for process in of_session(calcd.session)]


def test_9_its_standard_streams_lead_nowhere(tmp_path: Path) -> None:
    """In the daemon process, connect /dev/null to standard input, output, and error."""
    options = ("--log-target", "syslog", "--log-level", "err")
    address = own_address()
    with (
        Calcd(tmp_path, *options, listen=[f"{address}:7070"]) as calcd,
        socket.create_connection((address, 7070)) as connection,
    ):
        calcd.expected.append("calcd: /dev/log is missing: .*")  # as in most containers
        for process in _processes(calcd, connection):
            files = process.files()
            assert [files[fd] for fd in (0, 1, 2)] == ["/dev/null"] * 3, process


def test_10_the_modes_of_its_files_are_its_own_choice(processes: list[Process]) -> None:
    """In the daemon process, reset the umask to 0."""
    for process in processes:
        assert process.status("Umask") == "0000"


def test_11_it_does_not_keep_its_callers_folder_busy(processes: list[Process]) -> None:
    """In the daemon process, change the current directory to the root directory (/), in order to avoid that
    the daemon involuntarily blocks mount points from being unmounted."""
    for process in processes:
        assert os.readlink(f"/proc/{process.pid}/cwd") == "/"


def test_12_its_pidfile_cannot_be_written_by_two(calcd: Calcd, tmp_path: Path) -> None:
    """In the daemon process, write the daemon PID to a PID file, to ensure that the daemon cannot be started
    more than once, in a race-free fashion: test_pidfile.py has the races."""
    assert calcd.pidfile.read_text() == f"{calcd.supervisor.pid}\n"
    assert Calcd(tmp_path, pidfile=calcd.pidfile).start().returncode == 75


def test_13_it_gives_up_the_rights_that_it_does_not_need(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """In the daemon process, drop privileges, if possible and applicable: test_user.py has the details."""
    if os.geteuid():
        with Calcd(tmp_path) as calcd:
            assert calcd.supervisor.status("CapEff") == "0" * 16
        return
    folder = request.getfixturevalue("nobodys_folder")
    (folder / "run").mkdir()
    os.chown(folder / "run", *pwd.getpwnam("nobody")[2:4])
    with Calcd(folder / "run", "--user", "nobody", tree=folder) as calcd, calcd.connect() as connection:
        for process in _processes(calcd, connection):
            for field in ("CapPrm", "CapEff", "CapAmb"):
                assert process.status(field) == "0" * 16


def _are_connected(one: Process, other: Process) -> bool:
    """By a pair of Unix sockets: ss(8) shows each socket's inode and its peer's."""
    sockets = [
        {name.removeprefix("socket:[").rstrip("]") for name in process.files().values()}
        for process in (one, other)
    ]
    lines = subprocess.check_output(["ss", "-Hx"], text=True).splitlines()
    return any(line.split()[5] in sockets[0] and line.split()[7] in sockets[1] for line in lines)


def test_14_its_caller_learns_when_it_serves(tmp_path: Path) -> None:
    """From the daemon process, notify the original process started that initialization is complete. This can
    be implemented via an unnamed pipe or similar communication channel that is created before the first
    fork()."""
    calcd = Calcd(tmp_path)
    with held_back(calcd) as daemon:
        assert calcd.launcher.poll() is None
        assert _are_connected(Process(calcd.launcher.pid), daemon)
    assert calcd.outcome().returncode == 0
    with calcd.connect() as connection:
        assert ask(connection, Operation.ADD, 1, 1) == 2
    calcd.stop()


def test_15_the_command_returns(calcd: Calcd) -> None:
    """Call exit() in the original process. The process that invoked the daemon must be able to rely on that
    this exit() happens after initialization is complete and all external communication channels are
    established and accessible."""
    assert calcd.launcher.returncode == 0
    assert not [p for p in every_process() if p.belongs(lambda p: p.parent == calcd.launcher.pid)]
    assert [p.title for p in calcd.supervisor.children()] == ["calcd: listener"]
