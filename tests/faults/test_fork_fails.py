"""The system refuses another process; beside tests/process/test_no_more_processes.py, where a
user's limit does."""

import os
import signal
from pathlib import Path

import pytest
from support.clients import Clients, serve_one_and_let_one_wait
from support.daemon import REPORT_LOST, Calcd, ask
from support.strace import injected

from calcd.protocol.classic import Operation

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

REASONS = {"EAGAIN": "Resource temporarily unavailable", "ENOMEM": "Cannot allocate memory"}

FORKS = ("clone", "clone3", "fork", "vfork")


@pytest.mark.parametrize("error", [*REASONS])
def test_who_is_connected_is_served_and_who_connects_waits(tmp_path: Path, error: str) -> None:
    waits = rf"new connections wait: fork failed: {REASONS[error]} \(times: 1\); open ones are served, .*"
    with Calcd(tmp_path) as calcd, Clients(calcd.address), calcd.connect() as open_one:
        calcd.expected.append(waits)
        assert ask(open_one, Operation.ADD, 1, 1) == 2
        listener = calcd.listener
        fault = injected(listener, *(f"{call}:error={error}" for call in FORKS))
        serve_one_and_let_one_wait(calcd, open_one, fault, waits)
        assert len(calcd.wait_for_log(waits)) == 1
        assert calcd.listener.pid == listener.pid


@pytest.mark.parametrize("error", [*REASONS])
def test_without_a_process_for_a_new_listener_the_reload_fails_and_a_dead_one_is_replaced_later(
    tmp_path: Path, error: str
) -> None:
    refused = rf"the system refuses what calcd needs: .* {REASONS[error]}.*"
    failed = rf"no new listener: {refused}; nobody accepts connections, the next try is in \S+ s"
    died = r"the listener \d+ died: killed by signal 9 \(SIGKILL\); .*"
    with Calcd(tmp_path) as calcd, Clients(calcd.address, spare=1) as clients:
        calcd.expected += [
            f"reload failed, the old settings stay in force: {refused}",
            failed,
            died,
            REPORT_LOST,
        ]
        with injected(calcd.supervisor, *(f"{call}:error={error}" for call in FORKS)):
            result = calcd.reload()
            assert (result.returncode, REASONS[error] in result.stderr) == (71, True)
            clients.wait_for_answers()
            os.kill(calcd.listener.pid, signal.SIGKILL)
            calcd.wait_for_log(failed, times=2)
        clients.wait_for_answers()
        assert calcd.reload().returncode == 0
