"""The system refuses handlers what accept(2) needs, while clients are served."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.clients import Clients, serve_one_and_let_one_wait
from support.daemon import Calcd, ask
from support.processes import Process
from support.strace import injected_in_handlers

from calcd.protocol.classic import Operation

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

WAITS = r"new connections wait: accept failed: {} \(times: (\d+)\); open ones are served, .* Raise .*"
REASONS = {
    "EMFILE": "Too many open files",
    "ENFILE": "Too many open files in system",
    "ENOMEM": "Cannot allocate memory",
    "ENOBUFS": "No buffer space available",
}


def lines(calcd: Calcd, pattern: str) -> int:
    return len(calcd.wait_for_log(pattern))


@contextlib.contextmanager
def no_more_files(listener: Process) -> Iterator[None]:
    """RLIMIT_NOFILE of getrlimit(2), for a listener and its handlers: file descriptors that are open stay."""
    prlimit = ["prlimit", f"--pid={listener.pid}"]
    before = subprocess.check_output([*prlimit, "--nofile", "--output=SOFT", "--noheadings"], text=True)
    _limit_files(listener, 3)
    yield
    _limit_files(listener, int(before))


def _limit_files(listener: Process, files: int) -> None:
    for process in (listener, *listener.children()):
        # Which may have ended.
        subprocess.run(["prlimit", f"--pid={process.pid}", f"--nofile={files}:"], check=False)


@pytest.mark.parametrize("error", [*REASONS, "EMFILE by the limit"])
def test_who_is_connected_is_served_and_who_connects_waits(tmp_path: Path, error: str) -> None:
    waits = WAITS.format(REASONS[error.split(maxsplit=1)[0]])
    with Calcd(tmp_path) as calcd, Clients(calcd.address), calcd.connect() as open_one:
        calcd.expected.append(waits)
        assert ask(open_one, Operation.ADD, 1, 1) == 2
        listener = calcd.listener
        fault = (
            no_more_files(listener) if " " in error else injected_in_handlers(calcd, f"accept4:error={error}")
        )
        serve_one_and_let_one_wait(calcd, open_one, fault, waits)
        assert lines(calcd, waits) == 1
        assert calcd.listener.pid == listener.pid


@pytest.mark.long
def test_what_lasts_is_logged_every_ten_seconds_with_a_count(tmp_path: Path) -> None:
    waits = WAITS.format(REASONS["ENFILE"])
    with Calcd(tmp_path) as calcd, Clients(calcd.address) as clients:
        calcd.expected.append(waits)
        with injected_in_handlers(calcd, "accept4:error=ENFILE"):
            first, second = (int(line[1]) for line in calcd.wait_for_log(waits, times=2))
        clients.wait_for_answers()
        assert first == 1
        # Ten times a second for each handler, and not as fast as it goes; on a busy machine less often.
        assert 10 <= second <= 100 * (calcd.spare + 1)


@pytest.mark.parametrize("error", ["ECONNABORTED", "EPERM"])
def test_clients_that_leave_before_they_are_accepted_make_nobody_wait(tmp_path: Path, error: str) -> None:
    gone = r"clients had left before they were accepted, or a firewall forbids them: .* \(times: \d+\)"
    with Calcd(tmp_path) as calcd, Clients(calcd.address) as clients:
        calcd.expected.append(gone)
        with injected_in_handlers(calcd, f"accept4:error={error}:when=1..50"):
            calcd.wait_for_log(gone)
            clients.wait_for_answers()
        assert lines(calcd, gone) == 1
