"""The system refuses the listener another process: EAGAIN of fork(2), by RLIMIT_NPROC of getrlimit(2)."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import ON_DEMAND, Calcd, ask, receive
from support.processes import Process

from calcd.protocol.classic import Operation, encode_request

ADD = Operation.ADD
WAITS = r"new connections wait: fork failed: Resource temporarily unavailable \(times: \d+\); .*"


@pytest.fixture
def calcd(folder: Path, request: pytest.FixtureRequest) -> Iterator[Calcd]:
    """As a plain user: root has no such limit."""
    if os.geteuid():
        daemon = Calcd(folder, handlers=ON_DEMAND)
    else:
        tree: Path = request.getfixturevalue("nobodys_folder")
        (tree / "run").mkdir()
        os.chown(tree / "run", tree.stat().st_uid, tree.stat().st_gid)
        daemon = Calcd(tree / "run", "--user", "nobody", tree=tree, handlers=ON_DEMAND)
    with daemon:
        daemon.expected.append(WAITS)
        yield daemon


@contextlib.contextmanager
def no_more_processes(calcd: Calcd) -> Iterator[None]:
    before = prlimit(calcd.listener, "--nproc", "--output=SOFT", "--noheadings").strip()
    prlimit(calcd.listener, "--nproc=0:")
    yield
    prlimit(calcd.listener, f"--nproc={before}:")


def prlimit(process: Process, *options: str) -> str:
    """prlimit(1), run by the process's own user: another's limits may be out of reach even for root."""
    uid, gid = (process.status(field).split()[0] for field in ("Uid", "Gid"))
    as_user = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"] if not os.geteuid() else []
    command = [*as_user, "prlimit", f"--pid={process.pid}", *options]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_a_connection_waits_until_there_is_a_process_for_it(calcd: Calcd) -> None:
    with calcd.connect() as open_one:
        assert ask(open_one, ADD, 1, 1) == 2
        with no_more_processes(calcd):
            waiting = calcd.connect()
            waiting.sendall(encode_request(ADD, 20, 22))
            calcd.wait_for_log(WAITS)
            assert ask(open_one, ADD, 2, 2) == 4
        assert receive(waiting, 1) == (42,)
        waiting.close()


def test_a_connection_that_waits_for_a_process_is_served_when_calcd_stops(calcd: Calcd) -> None:
    """Its handler is forked when the listener has closed its sockets already."""
    with no_more_processes(calcd):
        waiting = calcd.connect()
        waiting.sendall(encode_request(ADD, 20, 22))
        calcd.wait_for_log(WAITS)
        calcd.signal(signal.SIGTERM)
        calcd.wait_for_log("stopping: .*")
    assert receive(waiting, 1) == (42,)
    assert waiting.recv(1) == b""
    waiting.close()
