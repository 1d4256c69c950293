"""The system refuses the listener another process; beside tests/process/test_no_more_processes.py, where a
user's limit does."""

from pathlib import Path

import pytest
from support.clients import Clients
from support.daemon import Calcd, ask, receive
from support.strace import injected

from calcd.protocol.classic import Operation, encode_request

REASONS = {"EAGAIN": "Resource temporarily unavailable", "ENOMEM": "Cannot allocate memory"}


@pytest.mark.parametrize("error", [*REASONS])
def test_who_is_connected_is_served_and_who_connects_waits(tmp_path: Path, error: str) -> None:
    waits = rf"new connections wait: fork failed: {REASONS[error]} \(times: 1\); open ones are served, .*"
    with Calcd(tmp_path) as calcd, Clients(calcd.address), calcd.connect() as open_one:
        calcd.expected.append(waits)
        assert ask(open_one, Operation.ADD, 1, 1) == 2
        listener = calcd.listener
        # Both ways to fork: calcd.listener.fork.
        with injected(listener, f"clone:error={error}", f"clone3:error={error}", f"fork:error={error}"):
            calcd.wait_for_log(waits)
            waiting = calcd.connect()
            waiting.sendall(encode_request(Operation.ADD, 20, 22))
            for number in range(100):
                assert ask(open_one, Operation.ADD, number, number) == 2 * number
        assert receive(waiting, 1) == (42,)
        waiting.close()
        assert len(calcd.wait_for_log(waits)) == 1
        assert calcd.listener.pid == listener.pid
