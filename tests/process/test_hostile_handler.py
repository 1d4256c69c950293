"""A handler that a client has got the better of: what it can still reach must not hurt the others."""

import os
import signal
from pathlib import Path

import pytest
from support.daemon import Calcd, ask

from calcd.handler import report
from calcd.protocol.classic import Operation

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

ADD = Operation.ADD


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\0",
        report.ended(report.ENDED, 0, False, 0, 99, 1, 12, 4, b""),
        report.ended(report.ENDED, 0, False, 0, report.UNKNOWN_OPERATION, 0, 0, 0, b""),
        report.accepted(report.ACCEPTED, 0, False, b"nobody"),
        report.accepted(report.ACCEPTED, 0, True, b"nobody"),
    ],
    ids=[
        "a byte",
        "an ending that there is not",
        "a stranger that sent nothing",
        "another connection",
        "another connection that it asks about",
    ],
)
def test_a_handler_that_reports_nonsense_hurts_nobody(tmp_path: Path, nonsense: bytes) -> None:
    died = r"connection \d .*: its handler \d+ died: killed by signal 9 \(SIGKILL\); .*"
    with Calcd(tmp_path) as calcd, calcd.connect() as other:
        calcd.expected.append(died)
        with calcd.connect() as connection:
            assert ask(connection, ADD, 1, 1) == 2
            ((handler, pipe),) = [
                (handler, fd)
                for handler in calcd.handlers
                for fd, file in handler.files().items()
                if handler.title.endswith(f":{connection.getsockname()[1]}")
                if fd > 2 and file.startswith("pipe:") and handler.may_write(fd)
            ]
            own = handler.pid.to_bytes(4, "little")
            with open(f"/proc/{handler.pid}/fd/{pipe}", "wb", buffering=0) as reports:
                reports.write(nonsense if len(nonsense) == 1 else nonsense[:1] + own + nonsense[5:])
            os.kill(handler.pid, signal.SIGKILL)
            assert connection.recv(1) == b""
        calcd.wait_for_log(died)
        assert ask(other, ADD, 20, 22) == 42
        other.close()
        calcd.wait_for_log(r"connection \d .* closed by client; requests: 1, .*")
