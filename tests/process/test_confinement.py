"""What listener and handlers can do, and cannot: a taken-over process is one that a debugger has make a
system call, in the daemon as it runs."""

import contextlib
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import TREE, Calcd, ask
from support.processes import Process
from support.system_calls import (
    BECOME_ROOT,
    EBADF,
    EPERM,
    EXECUTE,
    FORBIDDEN,
    GET_PARENT,
    GET_PID,
    KILLED,
    MAKE_SOCKET,
    MAP_MEMORY,
    OPEN,
    SET_TIMEOUT,
    Injector,
)

from calcd.protocol.classic import Operation

STOPPED = (
    r"connection \d+ from \S+ ended after [\d.]+ s: its handler \d+ died: killed by signal 31 \(SIGSYS\): it "
    r"tried a system call that no handler may make, as one does that runs a preloaded library .*"
)
# A container, for example, whose own filter refuses more of them (22 is PR_SET_SECCOMP).
NO_SECCOMP = (
    *(sys.executable, "-c"),
    "import errno, os, sys; from seccomp import *; f = SyscallFilter(ALLOW); "
    "f.add_rule(ERRNO(errno.EPERM), 'prctl', Arg(0, EQ, 22)); f.load(); os.execvp(sys.argv[1], sys.argv[1:])",
)
UNCONFINED = "listener and handlers may make any system call, because .*"


@pytest.fixture(scope="module")
def inject(tmp_path_factory: pytest.TempPathFactory) -> Injector:
    return Injector(tmp_path_factory.mktemp("c"))


@pytest.fixture(scope="module", params=["daemon", "foreground"])
def calcd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calcd]:
    with Calcd(tmp_path_factory.mktemp("calcd"), foreground=request.param == "foreground") as calcd:
        calcd.expected.append(STOPPED)
        yield calcd


@contextlib.contextmanager
def served(calcd: Calcd) -> Iterator[tuple[socket.socket, Process]]:
    """A connection, and its handler, which waits for the next request."""
    with calcd.connect() as connection:
        assert ask(connection, Operation.ADD, 2, 3) == 5
        title = "calcd: serving {}:{}".format(*connection.getsockname())
        (handler,) = [process for process in calcd.handlers if process.belongs(lambda p: p.title == title)]
        yield connection, handler


@pytest.mark.parametrize("call", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_handler_that_tries_more_than_its_work_is_killed_and_the_log_says_so(
    calcd: Calcd, inject: Injector, call: str
) -> None:
    with served(calcd) as (connection, handler):
        assert inject(handler, call) == KILLED
        assert connection.recv(1) == b""
        calcd.wait_for_log(STOPPED.replace(r"handler \d+", f"handler {handler.pid}"))
    with served(calcd) as (connection, _):
        assert ask(connection, Operation.MUL, 6, 7) == 42


def test_a_handler_can_do_what_its_work_takes(calcd: Calcd, inject: Injector) -> None:
    with served(calcd) as (connection, handler):
        assert inject(handler, GET_PID) == str(handler.pid)
        assert int(inject(handler, MAP_MEMORY)) > 0
        assert inject(handler, SET_TIMEOUT) == EBADF
        assert ask(connection, Operation.MUL, 6, 7) == 42


def test_it_is_logged_when_connections_are_not(tmp_path: Path, inject: Injector) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.config.write_text("[calcd]\nLogConnections=none\n")
        assert calcd.reload().returncode == 0
        calcd.expected.append(STOPPED)
        with served(calcd) as (_, handler):
            assert inject(handler, EXECUTE) == KILLED
            calcd.wait_for_log(STOPPED)


def test_the_listener_is_refused_more_than_its_work_and_serves_on(calcd: Calcd, inject: Injector) -> None:
    listener = calcd.listener
    for call in (OPEN, MAKE_SOCKET, EXECUTE, BECOME_ROOT):
        assert inject(listener, call) == EPERM, call
    with served(calcd):
        assert calcd.listener.pid == listener.pid


def test_no_process_can_get_more_rights_than_it_has(calcd: Calcd) -> None:
    with served(calcd) as (_, handler):
        for process in (calcd.supervisor, calcd.listener, handler):
            assert process.status("NoNewPrivs") == "1", process


def test_filters_are_in_force_in_the_listener_and_one_more_in_a_handler(calcd: Calcd) -> None:
    own = int(calcd.supervisor.status("Seccomp_filters"))  # of those who started the tests
    with served(calcd) as (_, handler):
        for process, filters in ((calcd.listener, 1), (handler, 2)):
            assert process.status("Seccomp") == "2"  # SECCOMP_MODE_FILTER
            assert int(process.status("Seccomp_filters")) == own + filters


def test_a_handler_holds_its_connection_the_way_for_its_report_and_an_empty_file(calcd: Calcd) -> None:
    """The file's position is what connections are numbered by: calcd.handler.client_ids."""
    with served(calcd) as (_, handler):
        kinds = [file.partition(":")[0] for fd, file in sorted(handler.files().items()) if fd > 2]
        assert sorted(kinds) == ["/memfd", "pipe", "socket"]
        (empty,) = [fd for fd, file in handler.files().items() if file.startswith("/memfd")]
        assert not handler.may_write(empty)


def test_where_the_kernel_offers_no_filters_it_serves_and_says_so_once(
    tmp_path: Path, inject: Injector
) -> None:
    with Calcd(tmp_path, prefix=NO_SECCOMP) as calcd:
        calcd.expected.append(UNCONFINED)
        assert calcd.reload().returncode == 0
        with served(calcd) as (connection, handler):
            assert inject(handler, GET_PARENT) == str(calcd.listener.pid)
            assert int(inject(handler, MAKE_SOCKET)) > 2
            assert ask(connection, Operation.MUL, 6, 7) == 42
        (line,) = calcd.wait_for_log(UNCONFINED)
        assert "container that allows them" in line[0]


def test_a_defect_in_a_handler_leaves_a_traceback(tmp_path: Path, folder: Path) -> None:
    """Python's own would be the end of the handler: it opens files, to look for the source lines."""
    shutil.copytree(TREE / "calcd", tmp_path / "tree" / "calcd")
    module = tmp_path / "tree" / "calcd" / "handler" / "deadlines.py"
    source = module.read_text()
    assert "def _await_rest(self, is_new: bool) -> int:\n" in source
    module.write_text(
        source.replace(
            "def _await_rest(self, is_new: bool) -> int:\n",
            'def _await_rest(self, is_new: bool) -> int:\n        raise ValueError("a defect")\n',
        )
    )
    with Calcd(folder, tree=tmp_path / "tree") as calcd:
        calcd.expected += [
            r"Traceback \(most recent call last\):",
            r'  File "/.*/calcd/handler/\w+\.py", line \d+, in \w+\.\w+',
            "ValueError: a defect",
            r"connection 1 from \S+ ended .*: its handler \d+ died: exit status 70; .*",
        ]
        with calcd.connect() as connection:
            connection.sendall(bytes(3))
            assert connection.recv(1) == b""
        calcd.wait_for_log("ValueError: a defect")
        calcd.wait_for_log(r'  File "/.*/calcd/handler/deadlines.py", line \d+, in Deadlines\._await_rest')
        calcd.wait_for_log(calcd.expected[-1])
