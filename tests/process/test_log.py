"""What calcd logs: what an administrator needs to know of each connection, and of the daemon."""

import os
import signal
import socket
import struct
import subprocess
from pathlib import Path

import pytest
from support.addresses import is_read
from support.daemon import AS_CALLER, COMMAND, TREE, Calcd, ask
from support.processes import wait_for

from calcd.protocol.classic import Operation, encode_request

ADD, SUB, MUL, DIV, QUIT = Operation.ADD, Operation.SUB, Operation.MUL, Operation.DIV, Operation.QUIT


@pytest.mark.parametrize(
    ("sent", "ending"),
    [
        (
            encode_request(ADD, 1, 1) + encode_request(QUIT),
            "quit; requests: 1, errors: 0, bytes in: 24, bytes out: 4",
        ),
        (encode_request(ADD, 1, 1), "closed by client; requests: 1, errors: 0, bytes in: 12, bytes out: 4"),
        (b"", "closed by client; requests: 0, errors: 0, bytes in: 0, bytes out: 0"),
        (bytes(17), "truncated frame; requests: 1, errors: 1, bytes in: 17, bytes out: 4"),
        (encode_request(DIV, 1, 0), "division by zero; requests: 0, errors: 1, bytes in: 12, bytes out: 0"),
        (
            encode_request(ADD, 1, 1) + b"\xff" * 12,
            "unknown operation; requests: 1, errors: 1, bytes in: 24, bytes out: 4",
        ),
    ],
    ids=["quit", "closed", "nothing asked", "truncated", "division by zero", "unknown operation"],
)
def test_a_connection_is_a_line_when_it_opens_and_one_when_it_ends(
    tmp_path: Path, sent: bytes, ending: str
) -> None:
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        protocol = "classic" if sent else "none"
        ending = f"{ending}, protocol: {protocol}, error replies: none"
        calcd.expected.append(f"connection 1 .*: {ending}")
        peer = "{}:{}".format(*connection.getsockname())
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
        calcd.wait_for_log(rf"connection 1 from {peer} opened, handler \d+")
        calcd.wait_for_log(rf"connection 1 from {peer} ended after \d+\.\d{{6}} s: {ending}")


def _reset(connection: socket.socket) -> None:
    """SO_LINGER of 0 seconds: close(2) sends a reset, socket(7)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_reset_in_the_middle_of_a_request_is_a_connection_lost(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        calcd.expected.append("connection 1 .* connection lost; .*")
        ask(connection, ADD, 1, 1)
        connection.sendall(encode_request(ADD, 1, 1)[:5])
        calcd.wait_for_log("connection 1 .* opened, .*")
        wait_for(lambda: is_read(connection), "the handler to have read that")
        _reset(connection)
        calcd.wait_for_log("connection 1 .* connection lost; requests: 1, errors: 1, .*")


def test_a_reset_behind_the_last_answer_is_a_good_end(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        ask(connection, ADD, 1, 1)
        _reset(connection)
        calcd.wait_for_log("connection 1 .* closed by client; requests: 1, errors: 0, .*")


@pytest.mark.parametrize("wanted", ["all", "errors"])
def test_a_health_check_is_a_probe_and_no_error(tmp_path: Path, wanted: str) -> None:
    """It connects, and closes or resets without a byte."""
    calcd = Calcd(tmp_path)
    calcd.config.write_text(f"[calcd]\nLogConnections={wanted}\n")
    with calcd:
        calcd.expected.append("since .*")
        _reset(calcd.connect())
        calcd.connect().close()
        with calcd.connect() as connection:
            ask(connection, ADD, 1, 1)
        wait_for(lambda: _counters(calcd)[1] == 3, "all of them to have ended")
        calcd.wait_for_log(
            "since .* requests answered: 1, errors: 0, cut off: 0, strangers: 0, probes: 2, .*"
        )
        shown = [line for line in calcd.log() if line.startswith("connection ")]
        assert len(shown) == (6 if wanted == "all" else 0)


def test_a_handler_that_is_killed_is_named_with_the_signal(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        calcd.expected.append(r"connection 1 .* its handler \d+ died: killed by signal 9 \(SIGKILL\); .*")
        ask(connection, ADD, 1, 1)
        (handler,) = calcd.handlers
        os.kill(handler.pid, signal.SIGKILL)
        assert connection.recv(1) == b""
        calcd.wait_for_log(rf"connection 1 .* its handler {handler.pid} died: killed by signal 9 .*")
        with calcd.connect() as another:
            assert ask(another, ADD, 1, 1) == 2


def test_a_peer_on_a_unix_socket_is_named_by_pid_and_uid(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with Calcd(tmp_path, listen=[f"unix:{path}"]) as calcd, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        assert ask(connection, ADD, 1, 1) == 2
        calcd.wait_for_log(rf"connection 1 from unix:pid={os.getpid()},uid={os.getuid()} opened, .*")


def test_a_peer_on_ipv6_is_named_in_brackets(tmp_path: Path) -> None:
    with Calcd(tmp_path, listen=["[::1]:0"]) as calcd, calcd.connect() as connection:
        assert ask(connection, ADD, 1, 1) == 2
        port = connection.getsockname()[1]
        calcd.wait_for_log(rf"connection 1 from \[::1\]:{port} opened, .*")


def test_only_what_went_wrong_is_logged_on_request(tmp_path: Path) -> None:
    calcd = Calcd(tmp_path)
    calcd.config.write_text("[calcd]\nLogConnections=errors\n")
    with calcd:
        # Numbers follow the order in which the supervisor hears of connections.
        calcd.expected.append(r"connection \d .* division by zero; .*")
        with calcd.connect() as connection:
            ask(connection, ADD, 1, 1)
        with calcd.connect() as connection:
            connection.sendall(encode_request(DIV, 1, 0))
            assert connection.recv(1) == b""
        calcd.wait_for_log(r"connection \d .* division by zero; .*")
        assert len([line for line in calcd.log() if line.startswith("connection")]) == 1


def test_usr1_logs_the_counters(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.expected += ["since .*", "connection .* division by zero; .*"]
        with calcd.connect() as connection:
            connection.sendall(encode_request(ADD, 1, 1) + encode_request(DIV, 1, 0))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(16):
                pass
        calcd.wait_for_log("connection 1 .* ended .*")
        with calcd.connect() as connection:
            ask(connection, ADD, 1, 1)
            calcd.wait_for_log("connection 2 .* opened, .*")
            calcd.signal(signal.SIGUSR1)
            calcd.wait_for_log(
                r"since 20\d\d-.*: connections now: 1, served: 1, requests answered: 1, errors: 1, cut off: "
                r"0, strangers: 0, probes: 0, refused: 0, limits reached: 0, bytes in: 24, bytes out: 4, "
                r"reloads: 0, listeners lost: 0, checks of proxies: 0, headers of proxies refused: 0"
            )


@pytest.mark.usefixtures("every_mode")
def test_connections_that_the_log_does_not_show_are_counted_all_the_same(tmp_path: Path) -> None:
    calcd = Calcd(tmp_path)
    calcd.config.write_text("[calcd]\nLogConnections=errors\n")
    with calcd:
        calcd.expected.append("since .*")
        for _ in range(50):
            with calcd.connect() as connection:
                assert ask(connection, ADD, 1, 1) == 2
        with calcd.connect() as connection:
            assert ask(connection, ADD, 1, 1) == 2
            wait_for(lambda: _counters(calcd)[:3] == (1, 50, 50), "51 connections that are counted")
        wait_for(lambda: _counters(calcd) == (0, 51, 51, 0, 612, 204), "51 connections that have ended")


def _counters(calcd: Calcd) -> tuple[int, ...]:
    """Connections, served, requests, errors, bytes in and out."""
    pattern = (
        r"since .*: connections now: (\d+), served: (\d+), requests answered: (\d+), errors: (\d+), .* "
        r"bytes in: (\d+), bytes out: (\d+), .*"
    )
    before = len(calcd.wait_for_log(pattern, times=0))
    calcd.signal(signal.SIGUSR1)
    return tuple(map(int, calcd.wait_for_log(pattern, before + 1)[-1].groups()))


def test_a_flood_of_connections_is_logged_completely(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        for _ in range(300):
            with calcd.connect() as connection:
                ask(connection, ADD, 1, 1)
        wait_for(lambda: not calcd.handlers, "the handlers to end")
        for kind in ("opened", "ended"):
            lines = calcd.wait_for_log(rf"connection (\d+) from \S+ {kind}.*", times=300)
            assert sorted(int(line[1]) for line in lines) == list(range(1, 301))


def test_the_log_level_leaves_out_what_matters_less(tmp_path: Path) -> None:
    with Calcd(tmp_path, "--log-level", "notice") as calcd:
        with calcd.connect() as connection:
            ask(connection, ADD, 1, 1)
        calcd.stop()
        assert not [line for line in calcd.log() if line.startswith("connection")]


def test_a_log_that_cannot_be_written_does_not_stop_it(tmp_path: Path) -> None:
    """Whoever read it has gone away; a full disk is the same to calcd."""
    reading_end, writing_end = os.pipe()
    command = [*COMMAND, *AS_CALLER, "--foreground", "--pidfile", str(tmp_path / "second.pid"), "--listen"]
    path = tmp_path / "second"
    second = subprocess.Popen([*command, f"unix:{path}"], cwd=TREE, stderr=writing_end)
    os.close(writing_end)
    assert b" serves on " in os.read(reading_end, 4096)
    os.close(reading_end)
    for _ in range(3):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            assert ask(connection, ADD, 1, 1) == 2
    second.terminate()
    assert second.wait() == 0
