"""A handler that a client has got the better of: what it can still reach must not hurt the others."""

import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from support.daemon import Calcd, ask
from support.processes import Process, wait_for
from support.reports import open_reports_of

from calcd.handler import report
from calcd.protocol.classic import Operation, decode_replies, encode_request

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

ADD = Operation.ADD
DIED = r"connection \d .*: its handler \d+ died: killed by signal 9 \(SIGKILL\); .*"


def report_as_handler_of(connection: socket.socket, calcd: Calcd, record: Callable[[int], bytes]) -> Process:
    """Writes a record, made of the handler's PID, where the connection's handler reports; returns that."""
    handler, reports = open_reports_of(connection, calcd)
    with reports:
        reports.write(report.START + record(handler.pid))
    return handler


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\0",
        report.ended(report.ENDED, 0, False, 0, 99, 1, 12, 4, b"", report.CLASSIC, 0, 0, 0, 0),
        report.ended(
            report.ENDED, 0, False, 0, report.UNKNOWN_OPERATION, 0, 0, 0, b"", report.NOTHING, 0, 0, 0, 0
        ),
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
    def in_its_name(handler: int) -> bytes:
        own = handler.to_bytes(4, "little")
        return nonsense if len(nonsense) == 1 else nonsense[:1] + own + nonsense[5:]

    with Calcd(tmp_path) as calcd, calcd.connect() as other:
        calcd.expected.append(DIED)
        with calcd.connect() as connection:
            assert ask(connection, ADD, 1, 1) == 2
            handler = report_as_handler_of(connection, calcd, in_its_name)
            with suppress(ProcessLookupError):  # the listener may have been faster
                os.kill(handler.pid, signal.SIGKILL)
            assert connection.recv(1) == b""
        calcd.wait_for_log(DIED)
        assert ask(other, ADD, 20, 22) == 42
        other.close()
        calcd.wait_for_log(r"connection \d .* closed by client; requests: 1, .*")


@pytest.mark.long
def test_who_gets_a_handler_that_another_has_reported_for_is_not_left_waiting(tmp_path: Path) -> None:
    with ExitStack() as stack:
        calcd = stack.enter_context(Calcd(tmp_path, handlers="SpareHandlers=1\nExemptSources="))
        connection = stack.enter_context(calcd.connect())
        calcd.expected.append(DIED)
        assert ask(connection, ADD, 1, 1) == 2
        wait_for(lambda: len(calcd.waiting) == 1, "a handler that waits")
        (victim,) = calcd.waiting

        def in_another_name(_handler: int) -> bytes:
            return report.accepted(report.ACCEPTED, victim.pid, False, b"192.0.2.1:7")

        report_as_handler_of(connection, calcd, in_another_name)
        calcd.wait_for_log(r"connection 2 from 192\.0\.2\.1:7 opened, handler \d+")
        # With nobody to fork another, all that wait get one.
        os.kill(calcd.listener.pid, signal.SIGSTOP)
        others = [stack.enter_context(calcd.connect()) for _ in range(3)]
        for other in others:
            other.sendall(encode_request(ADD, 20, 22))
        os.kill(calcd.listener.pid, signal.SIGCONT)
        answers = [answer_or_end(other) for other in others]
        assert answers.count(b"") == 1
        assert [decode_replies(answer) for answer in answers if answer] == [(42,)] * 2
        calcd.wait_for_log(DIED)
        assert ask(connection, ADD, 20, 22) == 42


def answer_or_end(connection: socket.socket) -> bytes:
    try:
        return connection.recv(4)
    except ConnectionResetError:
        return b""
