"""How many connections, how fast, and what one of them may take; and what is said about it."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import TREE, Calcd, ask, receive
from support.processes import DEADLINE, wait_for

from calcd.protocol.classic import Operation, encode_request

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

ADD, QUIT = Operation.ADD, Operation.QUIT
QUESTION = encode_request(ADD, 20, 22)
FULL = r"MaxConnections=2 is reached: new connections wait until others end\. .*"
NO_LONGER_FULL = (
    r"MaxConnections=2 is no longer reached, after \d+ s: connections that were accepted meanwhile, as "
    r"others ended: (\d+)"
)
REFUSED = r"127.0.0.1 has reached (Max\w+=\d+): its further connections are closed at once\. .*"
ADMITTED = r"127.0.0.1 keeps to (Max\w+=\d+) again, after \d+ s: connections refused: (\d+)"
CUT_OFF = r"connection \d+ from \S+ cut off after [\d.]+ s: (.*); requests: (\d+), .*"
DIED = r"connection \d+ .*: its handler \d+ died: (.*); how many requests it had answered is not known"


@contextlib.contextmanager
def calcd_with(folder: Path, settings: str, tree: Path = TREE) -> Iterator[Calcd]:
    daemon = Calcd(folder, tree=tree)
    daemon.config.write_text(f"[calcd]\n{settings}\n")
    daemon.expected += [FULL, NO_LONGER_FULL, REFUSED, ADMITTED]
    with daemon:
        yield daemon


def connect_from(calcd: Calcd, host: str) -> socket.socket:
    """A connection from another address of the loopback network."""
    connection = socket.create_connection(calcd.address, source_address=(host, 0))
    connection.settimeout(DEADLINE)
    return connection


def is_refused(connection: socket.socket) -> bool:
    """The other end closes it without an answer, also when it is asked something."""
    try:
        connection.sendall(QUESTION)
        return connection.recv(4) == b""
    except (ConnectionResetError, BrokenPipeError):
        return True


# --- Connections in all


def test_at_the_limit_new_connections_wait_and_are_served_when_others_end(folder: Path) -> None:
    with calcd_with(folder, "MaxConnections=2") as calcd:
        first, second = calcd.connect(), calcd.connect()
        assert ask(first, ADD, 1, 1) == ask(second, ADD, 1, 1) == 2
        calcd.wait_for_log(FULL)
        waiting = [calcd.connect() for _ in range(3)]
        for connection in waiting:
            connection.sendall(QUESTION)
        assert ask(first, ADD, 2, 2) == 4, "who is served notices nothing"
        assert len(calcd.handlers) == 2
        first.close()
        for connection in waiting:
            assert receive(connection, 1) == (42,)
            connection.close()
        second.close()
        calcd.stop()
        assert [match[1] for match in calcd.wait_for_log(NO_LONGER_FULL)] == ["3"]
        assert len(calcd.wait_for_log(FULL)) == 1


def test_the_limit_holds_for_the_connections_from_before_a_reload_too(folder: Path) -> None:
    with calcd_with(folder, "MaxConnections=2") as calcd:
        first, second = calcd.connect(), calcd.connect()
        assert ask(first, ADD, 1, 1) == ask(second, ADD, 1, 1) == 2
        assert calcd.reload().returncode == 0
        waiting = calcd.connect()
        waiting.sendall(QUESTION)
        calcd.wait_for_log(FULL, times=2)  # the new listener's is the second
        assert len(calcd.handlers) == 2
        # For longer than it takes the old listener, which has both, to look at its limits again.
        end = time.monotonic() + 2
        while time.monotonic() < end:
            assert ask(first, ADD, 1, 1) == 2
        second.close()
        assert receive(waiting, 1) == (42,)
        first.close()
        waiting.close()
        calcd.stop()
        assert len(calcd.wait_for_log(FULL)) == len(calcd.wait_for_log(NO_LONGER_FULL)) == 2


def test_the_limit_holds_for_the_handlers_of_a_killed_listener_too(folder: Path) -> None:
    with calcd_with(folder, "MaxConnections=2") as calcd:
        calcd.expected.append("the listener .* died: .*")
        first, second = calcd.connect(), calcd.connect()
        assert ask(first, ADD, 1, 1) == ask(second, ADD, 1, 1) == 2
        calcd.wait_for_log(FULL)
        os.kill(calcd.listener.pid, signal.SIGKILL)
        waiting = calcd.connect()
        waiting.sendall(QUESTION)
        calcd.wait_for_log(FULL, times=2)
        second.close()
        assert receive(waiting, 1) == (42,)
        assert ask(first, ADD, 1, 1) == 2
        first.close()
        waiting.close()


def test_fewer_processes_than_the_limit_takes_are_warned_of(folder: Path) -> None:
    daemon = Calcd(folder)
    daemon.config.write_text("[calcd]\nMaxConnections=900000000\n")
    warning = r"MaxConnections=900000000 takes 900000003 processes, and \S+ allows \d+: .*"
    daemon.expected.append(warning)
    with daemon:
        daemon.wait_for_log(warning)


# --- Connections of one source


def test_a_source_has_no_more_connections_than_its_limit(folder: Path) -> None:
    with calcd_with(folder, "MaxConnectionsPerSource=2\nExemptSources=") as calcd:
        first = calcd.connect()
        assert ask(first, ADD, 1, 1) == 2
        second = calcd.connect()
        assert ask(second, ADD, 1, 1) == 2
        for _ in range(50):
            with calcd.connect() as third:
                assert is_refused(third)
        with connect_from(calcd, "127.0.0.2") as other:
            assert ask(other, ADD, 20, 22) == 42
        first.close()
        calcd.wait_for_log("connection 1 .* ended .*")
        with calcd.connect() as third:
            assert ask(third, ADD, 20, 22) == 42
        second.close()
        calcd.stop()
        assert [match[1] for match in calcd.wait_for_log(REFUSED)] == ["MaxConnectionsPerSource=2"]
        assert [match.groups() for match in calcd.wait_for_log(ADMITTED)] == [
            ("MaxConnectionsPerSource=2", "50")
        ]
        assert len([line for line in calcd.log() if "opened, handler" in line]) == 4, "no fork for the others"


@pytest.mark.long
def test_a_source_that_keeps_to_its_limit_again_is_said_to(folder: Path) -> None:
    with calcd_with(folder, "MaxConnectionsPerSource=1\nExemptSources=") as calcd:
        with calcd.connect() as first:
            assert ask(first, ADD, 1, 1) == 2
            with calcd.connect() as second:
                assert is_refused(second)
        calcd.wait_for_log(ADMITTED)


def test_the_limit_for_a_source_outlives_a_reload(folder: Path) -> None:
    with calcd_with(folder, "MaxConnectionsPerSource=1\nExemptSources=") as calcd:
        with calcd.connect() as first:
            assert ask(first, ADD, 1, 1) == 2
            assert calcd.reload().returncode == 0
            with calcd.connect() as second:
                assert is_refused(second)
        wait_for(lambda: not calcd.handlers, "the first one's end")
        # The new listener is told of that end a moment later.
        wait_for(lambda: _is_served(calcd), "an answer")


def _is_served(calcd: Calcd) -> bool:
    with calcd.connect() as connection:
        return not is_refused(connection)


def test_a_source_connects_no_faster_than_its_limit(folder: Path) -> None:
    with calcd_with(folder, "MaxRatePerSource=2\nExemptSources=") as calcd:
        began = time.monotonic()
        served = sum(_is_served(calcd) for _ in range(40))
        seconds = time.monotonic() - began
        assert 2 <= served <= 2 + 2 * seconds + 1
        calcd.stop()
        (over,) = calcd.wait_for_log(ADMITTED)
        assert over.groups() == ("MaxRatePerSource=2", str(40 - served))


def test_exempt_sources_and_unix_sockets_have_no_limit_of_their_own(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    daemon = Calcd(folder, listen=["127.0.0.1:0", f"unix:{path}"])
    daemon.config.write_text("[calcd]\nMaxConnectionsPerSource=1\nMaxRatePerSource=1\n")
    with daemon:
        with contextlib.ExitStack() as connections:
            for _ in range(5):
                connection = connections.enter_context(daemon.connect())
                assert ask(connection, ADD, 20, 22) == 42
                local = connections.enter_context(socket.socket(socket.AF_UNIX))
                local.connect(str(path))
                assert ask(local, ADD, 20, 22) == 42
        daemon.stop()


def test_the_counters_have_what_was_refused_and_what_was_reached(folder: Path) -> None:
    with calcd_with(folder, "MaxConnectionsPerSource=1\nExemptSources=") as calcd:
        calcd.expected.append("since .*")
        with calcd.connect() as first:
            assert ask(first, ADD, 1, 1) == 2
            with calcd.connect() as second:
                assert is_refused(second)
            calcd.wait_for_log(REFUSED)
            calcd.signal(signal.SIGUSR1)
            calcd.wait_for_log(r"since .*: connections now: 1, .*, refused: 1, limits reached: 1, .*")


# --- What one connection may take


def test_a_connection_makes_no_more_requests_than_its_limit(folder: Path) -> None:
    with calcd_with(folder, "MaxRequests=5") as calcd:
        calcd.expected.append(CUT_OFF)
        with calcd.connect() as connection:
            assert ask(connection, ADD, 20, 22) == 42
            connection.sendall(QUESTION * 7)
            assert receive(connection, 4) == (42,) * 4
            assert connection.recv(1) == b""
        (line,) = calcd.wait_for_log(CUT_OFF)
        assert line.groups() == ("MaxRequests= is reached", "5")


def test_a_handler_that_takes_too_much_processor_time_is_killed(folder: Path) -> None:
    with calcd_with(folder, "HandlerCpuTime=1s") as calcd:
        calcd.expected.append(DIED)
        with calcd.connect() as connection, pytest.raises(ConnectionError):
            while True:
                connection.sendall(QUESTION * 5000)
                receive_some(connection, 5000)
        (line,) = calcd.wait_for_log(DIED)
        assert line[1] == "killed by signal 24 (SIGXCPU), HandlerCpuTime= is over"
        with calcd.connect() as connection:
            assert ask(connection, ADD, 20, 22) == 42


def receive_some(connection: socket.socket, replies: int) -> None:
    missing = replies * 4
    while missing:
        received = len(connection.recv(missing))
        if not received:
            raise ConnectionResetError
        missing -= received


def test_handlers_have_the_limits_that_are_set(folder: Path) -> None:
    with calcd_with(folder, "HandlerCpuTime=90s\nHandlerMemory=32M") as calcd, calcd.connect() as connection:
        assert ask(connection, ADD, 20, 22) == 42
        (handler,) = calcd.handlers
        limits = Path(f"/proc/{handler.pid}/limits").read_text()
        assert re.search(r"(?m)^Max cpu time +90 ", limits)
        assert re.search(r"(?m)^Max data size +33554432 ", limits)


def test_a_handler_that_takes_too_much_memory_ends_and_the_others_do_not(
    tmp_path: Path, folder: Path
) -> None:
    # No client can have a handler take much; so this one reads in pieces that are larger than its memory.
    shutil.copytree(TREE / "calcd", tmp_path / "tree" / "calcd")
    session = tmp_path / "tree" / "calcd" / "handler" / "session.py"
    source = session.read_text()
    assert "_LARGE_READ = 64 * 1024\n" in source
    session.write_text(source.replace("_LARGE_READ = 64 * 1024\n", "_LARGE_READ = 64 * 1024**2\n"))
    with calcd_with(folder, "HandlerMemory=32M", tmp_path / "tree") as calcd:
        calcd.expected.append(DIED)
        with calcd.connect() as connection:
            assert ask(connection, ADD, 20, 22) == 42
            connection.sendall(QUESTION * 20_000)
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(65536):
                    pass
            (line,) = calcd.wait_for_log(DIED)
            assert line[1] == "exit status 71, HandlerMemory= allows it no more"
        with calcd.connect() as connection:
            assert ask(connection, ADD, 20, 22) == 42


def test_a_backlog_is_as_long_as_it_is_set_to(folder: Path) -> None:
    def backlog() -> int:
        command = ["ss", "--listening", "--tcp", "--numeric", "--no-header", f"sport = :{calcd.address[1]}"]
        listing = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        return int(re.split(r"\s+", listing)[2])

    with calcd_with(folder, "Backlog=17") as calcd:
        assert backlog() == 17
        calcd.config.write_text("[calcd]\nBacklog=34\n")
        assert calcd.reload().returncode == 0
        assert backlog() == 34
