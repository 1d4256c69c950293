"""The system refuses the supervisor what accept(2) needs for a request at the control socket."""

import time
from pathlib import Path

import pytest
from support.clients import Clients
from support.daemon import Calcd
from support.processes import wait_for
from support.strace import injected

WAITS = "who asks or reloads calcd waits: accept failed: {}; clients are served, .* Raise .*"
REASONS = {
    "EMFILE": "Too many open files",
    "ENFILE": "Too many open files in system",
    "ENOMEM": "Cannot allocate memory",
    "ENOBUFS": "No buffer space available",
}


@pytest.mark.parametrize("error", [*REASONS])
def test_who_asks_waits_and_is_answered_once_there_is_room(folder: Path, tmp_path: Path, error: str) -> None:
    waits = WAITS.format(REASONS[error])
    trace = tmp_path / "trace"

    def tries() -> int:
        return trace.read_text().count("INJECTED")

    with Calcd(folder) as calcd, Clients(calcd.address) as clients:
        calcd.expected.append(waits)
        began = time.monotonic()
        with injected(calcd.supervisor, f"accept4:error={error}", trace=trace):
            asking = [calcd.tell("--status"), calcd.tell("--reload")]
            wait_for(lambda: tries() >= 3, "three attempts to accept")
            clients.wait_for_answers()
            assert [each.poll() for each in asking] == [None, None]
        # Once a second, and not as fast as it goes.
        assert tries() <= 1 + time.monotonic() - began
        assert [calcd.told(each).returncode for each in asking] == [0, 0]
        assert len(calcd.wait_for_log(waits)) == 1
