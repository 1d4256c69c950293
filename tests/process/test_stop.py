"""How calcd ends, and what its clients see of that."""

import contextlib
import os
import signal
import socket
import time
from pathlib import Path

import pytest
from support import no_deadlines
from support.addresses import accepts, is_read
from support.daemon import Calcd, ask, receive
from support.processes import wait_for
from support.storm import Storm

from calcd.protocol.classic import Operation, encode_request

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

ADD = Operation.ADD


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.signal(number)
        calcd.wait_until_gone()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["calcd.conf", "log"]
        assert calcd.log()[-1].startswith("stopped: ")


def test_idle_connections_are_closed(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        idle = [calcd.connect() for _ in range(20)]
        for connection in idle:
            ask(connection, ADD, 1, 1)
        calcd.signal(signal.SIGTERM)
        for connection in idle:
            assert connection.recv(1) == b""
            connection.close()
        calcd.wait_until_gone()
        assert len(calcd.wait_for_log(".* closed by calcd, which stops; requests: 1, .*")) == 20


def test_a_request_in_hand_is_answered(tmp_path: Path) -> None:
    """Half of it has arrived when calcd is told to stop."""
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        ask(connection, ADD, 1, 1)
        frame = encode_request(ADD, 20, 22)
        connection.sendall(frame[:5])
        # The handler has read it once nothing is left in its socket; ss(8) would tell, this is enough.
        wait_for(lambda: is_read(connection), "the first half to be read")
        calcd.signal(signal.SIGTERM)
        calcd.wait_for_log("stopping: .*")
        connection.sendall(frame[5:])
        assert receive(connection, 1) == (42,)
        assert connection.recv(1) == b""


def test_a_connection_that_has_just_been_made_may_ask_its_question(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        calcd.wait_for_log("connection 1 .* opened, .*")
        calcd.signal(signal.SIGTERM)
        calcd.wait_for_log("stopping: .*")
        assert ask(connection, ADD, 20, 22) == 42
        assert connection.recv(1) == b""


def test_a_client_that_quits_while_its_connection_is_closed_is_not_reset(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        ask(connection, ADD, 1, 1)
        calcd.signal(signal.SIGTERM)
        assert connection.recv(1) == b""
        connection.sendall(encode_request(Operation.QUIT))
        assert connection.recv(1) == b""  # and no ConnectionResetError


def test_nobody_can_connect_any_more_while_it_drains(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd, calcd.connect() as busy:
        calcd.wait_for_log("connection 1 .* opened, .*")
        address = calcd.address
        busy.sendall(encode_request(ADD, 1, 1)[:4])
        calcd.signal(signal.SIGTERM)
        calcd.wait_for_log("stopping: .*")
        wait_for(lambda: not accepts(address), "connections to be refused")
        busy.sendall(encode_request(ADD, 1, 1)[4:])
        assert receive(busy, 1) == (2,)


@pytest.mark.long
@pytest.mark.parametrize("host", ["127.0.0.1:", "[::1]:", "unix:"])
def test_nobody_who_could_connect_goes_without_an_answer(tmp_path: Path, host: str) -> None:
    """What is acknowledged in the last moments of the listening socket is served as well."""
    port = tmp_path / "socket" if host == "unix:" else 0
    for _ in range(4):
        with Calcd(tmp_path, f"--listen={host}{port}", "--log-level=notice", listen=()) as calcd:
            address = host + str(port or calcd.address[1])
            with Storm(address) as storm:
                calcd.signal(signal.SIGTERM)
                calcd.wait_until_gone()
            assert storm.outcomes.keys() == {"ok", "refused"}, storm.outcomes
        calcd.log_file.unlink()


def test_who_waits_at_the_limit_of_connections_is_answered_as_well(tmp_path: Path) -> None:
    settings = "MaxConnections=2\nDrainTime=5min"
    with no_deadlines.calcd_with(tmp_path, settings, "MaxConnections=2 is .*") as calcd:
        served = [calcd.connect() for _ in range(2)]
        for connection in served:
            assert ask(connection, ADD, 1, 1) == 2
        waiting = [calcd.connect() for _ in range(5)]
        for connection in waiting:
            connection.sendall(encode_request(ADD, 20, 22))
        calcd.signal(signal.SIGTERM)
        for connection in served:
            assert connection.recv(1) == b""
            connection.close()
        for connection in waiting:
            assert receive(connection, 1) == (42,)
            assert connection.recv(1) == b""
            connection.close()


@pytest.mark.long
def test_who_waits_for_clients_that_do_not_leave_is_given_up_while_there_is_time_for_those(
    tmp_path: Path,
) -> None:
    """Each of them takes the second that it has for its half of the close, and nobody is killed."""
    settings = "MaxConnections=1\nDrainTime=8s"
    with no_deadlines.calcd_with(tmp_path, settings, "MaxConnections=1 is .*") as calcd:
        clients = [calcd.connect() for _ in range(12)]
        for connection in clients:
            connection.sendall(encode_request(ADD, 20, 22))
        calcd.wait_for_log("MaxConnections=1 is reached.*")
        calcd.signal(signal.SIGTERM)
        calcd.wait_until_gone()
        answers = []
        for connection in clients:
            with connection, contextlib.suppress(ConnectionResetError):
                answers.append(receive(connection, 1))
        assert answers == [(42,)] * len(answers)
        assert 1 < len(answers) < len(clients)


def _stuff(connection: socket.socket) -> None:
    """Asks and never reads, until calcd is stuck in a send."""
    connection.settimeout(0.2)
    with pytest.raises(TimeoutError):
        while True:
            connection.sendall(encode_request(ADD, 1, 1) * 5000)


def test_a_second_term_is_immediate(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd, calcd.connect() as stuck:
        calcd.expected += [
            r"stopping at once, told to a second time: connections cut off: 1",
            r"connection 1 .* its handler \d+ died: killed by signal 9 \(SIGKILL\); .*",
        ]
        _stuff(stuck)
        calcd.signal(signal.SIGTERM)
        calcd.wait_for_log("stopping: .*")
        calcd.signal(signal.SIGTERM)
        calcd.wait_until_gone()


def test_connections_that_do_not_end_in_the_drain_time_are_cut_off(tmp_path: Path) -> None:
    calcd = Calcd(tmp_path)
    calcd.config.write_text("[calcd]\nDrainTime=200ms\n")
    with calcd, calcd.connect() as stuck:
        calcd.expected.append(r"connection 1 .* its handler \d+ died: killed by signal 9 \(SIGKILL\); .*")
        _stuff(stuck)
        began = time.monotonic()
        calcd.signal(signal.SIGTERM)
        calcd.wait_until_gone()
        assert time.monotonic() - began >= 0.2


def test_a_handler_that_is_stopped_ends_with_the_drain_time_and_nobody_is_blamed(tmp_path: Path) -> None:
    calcd = Calcd(tmp_path, handlers="SpareHandlers=2")
    calcd.config.write_text("[calcd]\nDrainTime=200ms\n")
    with calcd:
        wait_for(lambda: len(calcd.waiting) == 2, "the handlers")
        os.kill(calcd.waiting[0].pid, signal.SIGSTOP)
        calcd.signal(signal.SIGTERM)
        calcd.wait_until_gone()


def test_many_idle_connections_end_together(tmp_path: Path) -> None:
    """SIGTERM can reach a handler in the instant before it sleeps; it is sent again."""
    with Calcd(tmp_path) as calcd:
        for _ in range(3):
            connections = [calcd.connect() for _ in range(200)]
            for connection in connections:
                connection.sendall(encode_request(ADD, 1, 1))
            calcd.signal(signal.SIGTERM)
            for connection in connections:
                assert receive(connection, 1) == (2,)
                assert connection.recv(1) == b""
                connection.close()
            calcd.wait_until_gone()
            assert calcd.start().returncode == 0
