"""Clients that take their time, and how long they may."""

import contextlib
import socket
import time
from pathlib import Path

import pytest
from support import no_deadlines
from support.daemon import Calcd, ask, receive
from support.processes import DEADLINE

from calcd.protocol.classic import Operation, encode_request

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

ADD = Operation.ADD
QUESTION = encode_request(ADD, 20, 22)
CUT_OFF = r"connection \d+ from \S+ cut off after ([\d.]+) s: (\w+)= is over; requests: (\d+), .*"


def calcd_with(folder: Path, settings: str) -> contextlib.AbstractContextManager[Calcd]:
    return no_deadlines.calcd_with(folder, settings, CUT_OFF)


def cut_off(calcd: Calcd) -> tuple[float, str, int]:
    """After how many seconds, at which deadline, and after how many requests."""
    (line,) = calcd.wait_for_log(CUT_OFF)
    return float(line[1]), line[2], int(line[3])


def test_who_connects_and_says_nothing_is_cut_off(folder: Path) -> None:
    with calcd_with(folder, "FirstByteTimeout=200ms") as calcd, calcd.connect() as connection:
        assert connection.recv(1) == b""
        connection.close()
        seconds, deadline, requests = cut_off(calcd)
        assert (deadline, requests) == ("FirstByteTimeout", 0)
        assert seconds >= 0.2


def test_who_does_not_finish_a_request_is_cut_off(folder: Path) -> None:
    with calcd_with(folder, "FrameTimeout=200ms") as calcd, calcd.connect() as connection:
        connection.sendall(QUESTION + QUESTION[:5])
        assert receive(connection, 1) == (42,)
        assert connection.recv(1) == b""
        connection.close()
        seconds, deadline, requests = cut_off(calcd)
        assert (deadline, requests) == ("FrameTimeout", 1)
        assert seconds >= 0.2


def test_a_request_has_one_deadline_however_many_pieces_it_comes_in(folder: Path) -> None:
    """A slow loris: each byte comes in time."""
    with calcd_with(folder, "FrameTimeout=1s\nIdleTimeout=20s") as calcd, calcd.connect() as connection:
        connection.settimeout(0.15)
        for byte in QUESTION[:-1]:
            connection.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                assert connection.recv(1) == b""
                break
        connection.close()
        seconds, deadline, requests = cut_off(calcd)
        assert (deadline, requests) == ("FrameTimeout", 0)
        assert 1 <= seconds < 11 * 0.15 + 5


def test_who_is_idle_between_requests_is_cut_off(folder: Path) -> None:
    with calcd_with(folder, "IdleTimeout=200ms\nFirstByteTimeout=100ms") as calcd:
        with calcd.connect() as connection:
            assert ask(connection, ADD, 20, 22) == 42
            assert connection.recv(1) == b""
        seconds, deadline, requests = cut_off(calcd)
        assert (deadline, requests) == ("IdleTimeout", 1)
        assert seconds >= 0.2


@pytest.mark.long
def test_who_is_busy_is_not_cut_off_for_being_idle(folder: Path) -> None:
    """Also when the shortest deadline, which the kernel keeps, comes and goes in between."""
    with calcd_with(folder, "IdleTimeout=2s\nFrameTimeout=100ms") as calcd:
        with calcd.connect() as connection:
            end = time.monotonic() + 5
            while time.monotonic() < end:
                assert ask(connection, ADD, 20, 22) == 42
                connection.settimeout(0.3)
                with contextlib.suppress(TimeoutError):
                    raise AssertionError(f"received {connection.recv(1)!r}")
                connection.settimeout(DEADLINE)
        calcd.wait_for_log("connection 1 .* closed by client; .*")


def test_who_does_not_read_is_cut_off(folder: Path) -> None:
    with calcd_with(folder, "SendTimeout=200ms") as calcd, calcd.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(0.5)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while True:
                connection.sendall(QUESTION * 5000)
        seconds, deadline, _ = cut_off(calcd)
        assert deadline == "SendTimeout"
        assert seconds >= 0.2


@pytest.mark.parametrize("questions", [QUESTION * 5000, b"INFO\n" * 12_000], ids=["classic", "RESP"])
def test_who_does_not_read_is_cut_off_behind_the_end_of_its_lifetime_too(
    folder: Path, questions: bytes
) -> None:
    """The end of the lifetime is a signal that comes again and again, each time into the wait for room."""
    with (
        calcd_with(folder, "ConnectionLifetime=200ms\nSendTimeout=400ms") as calcd,
        calcd.connect() as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(0.5)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while True:
                connection.sendall(questions)
        seconds, deadline, _ = cut_off(calcd)
        assert deadline == "SendTimeout"
        assert seconds >= 0.4


def test_a_connection_ends_with_its_lifetime_however_busy_it_is(folder: Path) -> None:
    with calcd_with(folder, "ConnectionLifetime=300ms") as calcd, calcd.connect() as connection:
        answered = 0
        with contextlib.suppress(ConnectionError):
            while True:
                connection.sendall(QUESTION)
                reply = connection.recv(4)
                if not reply:
                    break
                assert reply == (42).to_bytes(4, "little")
                answered += 1
        connection.close()
        seconds, deadline, requests = cut_off(calcd)
        assert (deadline, requests) == ("ConnectionLifetime", answered)
        assert seconds >= 0.3


def test_a_reload_gives_new_connections_its_deadlines_and_leaves_the_others_theirs(folder: Path) -> None:
    with calcd_with(folder, "") as calcd, calcd.connect() as old:
        assert ask(old, ADD, 20, 22) == 42
        calcd.config.write_text(f"[calcd]\n{no_deadlines.NONE}IdleTimeout=100ms\n")
        assert calcd.reload().returncode == 0
        with calcd.connect() as new:
            assert ask(new, ADD, 20, 22) == 42
            assert new.recv(1) == b""
        assert ask(old, ADD, 20, 22) == 42


def test_deadlines_hold_on_a_unix_socket_too(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    daemon = Calcd(folder, listen=[f"unix:{path}"])
    daemon.config.write_text(f"[calcd]\n{no_deadlines.NONE}FirstByteTimeout=200ms\n")
    daemon.expected.append(CUT_OFF)
    with daemon, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.settimeout(DEADLINE)
        assert connection.recv(1) == b""
        connection.close()
        assert cut_off(daemon)[1] == "FirstByteTimeout"


def test_a_stop_does_not_wait_for_deadlines(folder: Path) -> None:
    settings = "IdleTimeout=10min\nFirstByteTimeout=10min\nSendTimeout=10min"
    with calcd_with(folder, settings) as calcd, calcd.connect() as connection:
        assert ask(connection, ADD, 20, 22) == 42
        calcd.stop()
        assert connection.recv(1) == b""
