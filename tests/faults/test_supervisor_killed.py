"""kill -9 of the supervisor while handlers are busy; beside tests/process/test_recovery.py, where they
are not."""

import os
import signal
import socket
from pathlib import Path

import pytest
from support.clients import Clients
from support.daemon import Calcd, ask, receive
from support.processes import of_session, wait_for

from calcd.protocol.classic import Operation, encode_request

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

REQUEST = encode_request(Operation.ADD, 20, 22)


def test_whoever_is_served_gets_an_answer_and_the_next_calcd_serves_meanwhile(tmp_path: Path) -> None:
    """One is between two requests, one in the middle of one, one has just connected, and one does not read:
    that one is cut off at the end of the drain time."""
    calcd = Calcd(tmp_path)
    calcd.config.write_text("[calcd]\nDrainTime=2s\n")
    with calcd:
        idle, half, fresh, stuck = (calcd.connect() for _ in range(4))
        for connection in (idle, half, stuck):
            assert ask(connection, Operation.ADD, 1, 1) == 2
        half.sendall(REQUEST[:5])
        fill(stuck)
        calcd.wait_for_log("connection 4 .* opened, .*")
        old = calcd.session
        os.kill(calcd.supervisor.pid, signal.SIGKILL)
        assert idle.recv(1) == b""
        half.sendall(REQUEST[5:])
        assert receive(half, 1) == (42,)
        assert half.recv(1) == b""
        fresh.sendall(REQUEST)
        assert receive(fresh, 1) == (42,)
        assert fresh.recv(1) == b""
        assert of_session(old), "the listener and the handler that is stuck"
        assert calcd.start().returncode == 0
        with Clients(calcd.address) as others:
            wait_for(lambda: not of_session(old), "the old calcd's end")
            others.wait_for_answers()
        for connection in (idle, half, fresh, stuck):
            connection.close()


def fill(connection: socket.socket) -> None:
    connection.setblocking(False)
    try:
        while True:
            connection.send(REQUEST * 4096)
    except BlockingIOError:
        pass
