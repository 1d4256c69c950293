"""calc-client for one answer, and the library, on real sockets."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import calc_client
from support.c_server import CServer
from support.integers import c_int

import calcd
from calcd.client import (
    Client,
    ConnectError,
    ConnectionLostError,
    DivisionByZeroError,
    OperandRangeError,
    Operation,
    Request,
    ServerTimeoutError,
)
from calcd.protocol import classic


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with CServer(tmp_path_factory.mktemp("c")) as running:
        yield running.address


@pytest.mark.parametrize(
    ("command", "result"),
    [
        (["add", "2", "3"], "5"),
        (["add", "-2", "3"], "1"),
        (["sub", "2", "-3"], "5"),
        (["2", "+", "3"], "5"),
        (["2 * 3"], "6"),
        (["2", "x", "3"], "6"),
        (["-7/2"], "-3"),
        (["2147483647", "+", "1"], "-2147483648"),
        (["div", "-2147483648", "-1"], "-2147483648"),
    ],
)
def test_one_answer(server: str, command: list[str], result: str) -> None:
    ended = calc_client.run("--server", server, *command)
    assert (ended.stdout, ended.stderr, ended.returncode) == (result + "\n", "", 0)


def test_the_server_is_taken_from_the_environment(server: str) -> None:
    ended = calc_client.run("add", "2", "3", env=calc_client.environment(CALCD_SERVER=server))
    assert (ended.stdout, ended.returncode) == ("5\n", 0)


def test_the_option_is_stronger_than_the_environment(server: str) -> None:
    ended = calc_client.run(
        "--server", server, "add", "2", "3", env=calc_client.environment(CALCD_SERVER="nonsense")
    )
    assert (ended.stdout, ended.returncode) == ("5\n", 0)


def test_a_host_is_looked_up(server: str) -> None:
    # What only the resolver understands; "localhost" takes an /etc/hosts, which a minimal root lacks.
    ended = calc_client.run("--server", server.replace("127.0.0.1", "127.1"), "add", "2", "3")
    assert (ended.stdout, ended.returncode) == ("5\n", 0)


def test_version_and_help_need_no_server() -> None:
    assert calc_client.run("--version").stdout == f"calc-client {calcd.__version__}\n"
    assert calc_client.run("--help").stdout.startswith("usage: calc-client")


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["div", "1", "0"], 1, "division by zero"),
        (["add", "1", "2147483648"], 2, "second operand does not fit 32 bits"),
        (["add", "-2147483649", "1"], 2, "first operand does not fit 32 bits"),
        (["frobnicate", "1", "2"], 64, "unknown operation 'frobnicate'"),
        (["add", "1"], 64, "add takes two numbers"),
        ([""], 64, "not understood"),
        (["--frobnicate"], 64, "unknown option --frobnicate"),
        (["--server", "nonsense", "add", "1", "2"], 64, "'nonsense'"),
    ],
)
def test_a_mistake_is_explained_without_asking_the_server(command: list[str], status: int, said: str) -> None:
    listener, address = calc_client.listen()
    with listener:
        ended = calc_client.run("--server", address, *command)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert (ended.stdout, ended.returncode) == ("", status)
    assert said in ended.stderr


def test_no_server_is_status_69_and_says_what_to_look_at() -> None:
    with socket.socket() as bound:  # bound and not listening: nobody else gets the port
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        ended = calc_client.run("--server", address, "add", "2", "3")
    assert ended.returncode == 69
    for said in (address, "Connection refused", "systemctl status calcd.socket"):
        assert said in ended.stderr


def test_no_unix_socket_is_status_69(tmp_path: Path) -> None:
    ended = calc_client.run("--server", f"unix:{tmp_path}/none", "add", "2", "3")
    assert ended.returncode == 69
    assert f"unix:{tmp_path}/none: No such file or directory" in ended.stderr


@pytest.mark.parametrize("host", ["no.such.host.invalid", "h" * 64, "ö" * 64])
def test_a_name_that_means_no_host_is_status_69(host: str) -> None:
    ended = calc_client.run("--server", f"{host}:7070", "add", "2", "3")
    assert ended.returncode == 69
    assert host in ended.stderr
    assert "is the host's name right?" in ended.stderr


def test_a_silent_server_is_status_75_when_the_time_is_up() -> None:
    listener, address = calc_client.listen()
    with listener:
        ended = calc_client.run("--server", address, "--timeout", "0.2", "add", "2", "3")
    assert (ended.stdout, ended.returncode) == ("", 75)
    assert ended.stderr == (
        f"calc-client: {address} did not answer within 0.2 s: calcd may be busy (journalctl -u calcd; a "
        "longer timeout helps), or another program listens there (ss -tlnp shows which)\n"
    )


def test_half_an_answer_is_no_answer() -> None:
    listener, address = calc_client.listen()
    with listener, calc_client.start("--server", address, "add", "2", "3") as client:
        with calc_client.accept(listener) as connection:
            connection.recv(12, socket.MSG_WAITALL)
            connection.sendall(b"\x05\x00")
        output, errors = client.communicate(timeout=calc_client.DEADLINE)
    assert (output, client.returncode) == (b"", 76)
    assert b"closed the connection without an answer" in errors
    assert b"another program listens there (ss -tlnp shows which)" in errors


def test_a_reset_connection_is_status_76() -> None:
    listener, address = calc_client.listen()
    with listener, calc_client.start("--server", address, "add", "2", "3") as client:
        with calc_client.accept(listener) as connection:
            connection.recv(1)  # closed with bytes unread, TCP resets
        _, errors = client.communicate(timeout=calc_client.DEADLINE)
    assert client.returncode == 76
    assert b"Connection reset by peer" in errors


def test_a_full_unix_queue_is_waited_for_until_the_time_is_up(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        before = time.monotonic()
        with pytest.raises(ServerTimeoutError, match="did not accept the connection within"):
            Client(f"unix:{path}", timeout=0.3)
        assert time.monotonic() - before >= 0.29


def test_ctrl_c_ends_it_as_it_ends_other_programs() -> None:
    listener, address = calc_client.listen()
    with (
        listener,
        calc_client.start("--server", address, "add", "2", "3") as client,
        calc_client.accept(listener) as connection,
    ):
        connection.recv(12, socket.MSG_WAITALL)
        client.send_signal(signal.SIGINT)
        output, errors = client.communicate(timeout=calc_client.DEADLINE)
    assert (output, errors) == (b"", b"")
    assert client.returncode == -signal.SIGINT  # a shell says 130


@pytest.mark.parametrize(
    ("redirection", "cause"), [(">/dev/full", "No space left"), (">&-", "Bad file descriptor")]
)
def test_an_answer_that_cannot_be_written_is_status_74(server: str, redirection: str, cause: str) -> None:
    command = [*calc_client.COMMAND, "--server", server, "add", "2", "3"]
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *command],
        stderr=subprocess.PIPE,
        text=True,
        env=calc_client.environment(),
        timeout=calc_client.DEADLINE,
        check=False,
    )
    assert ended.returncode == 74
    assert cause in ended.stderr


def test_the_library_answers(server: str) -> None:
    with Client(server, timeout=calc_client.DEADLINE) as c:
        assert (c.add(2, 3), c.sub(2, 3), c.mul(-2, 3), c.div(-7, 2)) == (5, -1, -6, -3)


def test_the_library_goes_on_after_a_refused_operand(server: str) -> None:
    with Client(server) as c:
        with pytest.raises(DivisionByZeroError):
            c.div(1, 0)
        with pytest.raises(OperandRangeError):
            c.add(1 << 31, 0)
        with pytest.raises(DivisionByZeroError):
            c.compute([(Operation.ADD, 1, 1), (Operation.DIV, 1, 0)])
        assert c.add(2, 3) == 5


def test_the_library_pipelines_more_than_the_sockets_hold(server: str) -> None:
    requests = [Request(Operation.SUB, n, 3 * n) for n in range(300_000)]
    with Client(server, timeout=calc_client.DEADLINE) as c:
        assert c.compute(iter(requests)) == [c_int(a - b) for _, a, b in requests]
        assert c.compute([]) == []
        assert c.add(2, 3) == 5


def test_never_more_than_64_kib_are_unanswered() -> None:
    listener, address = calc_client.listen()
    with listener, Client(address, timeout=0.3) as c, calc_client.accept(listener) as connection:
        with pytest.raises(ServerTimeoutError):
            c.compute([(Operation.ADD, 1, 1)] * 100_000)
        received = 0
        while piece := connection.recv(1 << 16):
            received += len(piece)
    assert 0 < received <= 1 << 16


def test_a_clean_close_says_quit() -> None:
    listener, address = calc_client.listen()
    with listener:
        client = Client(address)
        with calc_client.accept(listener) as connection:
            client.close()
            client.close()
            assert connection.recv(100, socket.MSG_WAITALL) == classic.encode_request(Operation.QUIT)


def test_after_a_failure_the_connection_is_closed_and_says_so() -> None:
    listener, address = calc_client.listen()
    with listener, Client(address, timeout=0.1) as c, calc_client.accept(listener) as connection:
        with pytest.raises(ServerTimeoutError):
            c.add(2, 3)
        with pytest.raises(ConnectionLostError, match="closed"):
            c.add(2, 3)
        assert connection.recv(100, socket.MSG_WAITALL) == classic.encode_request(Operation.ADD, 2, 3)


def test_a_unix_socket_is_a_server_too(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(calc_client.DEADLINE)
        with (
            calc_client.start("--server", f"unix:{path}", "add", "2", "3") as client,
            calc_client.accept(listener) as connection,
        ):
            calc_client.answer_one(connection)
            output, _ = client.communicate(timeout=calc_client.DEADLINE)
    assert (output, client.returncode) == (b"5\n", 0)


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="the kernel has no IPv6")
def test_an_ipv6_address_is_a_server_too() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        address = f"[::1]:{listener.getsockname()[1]}"
        listener.settimeout(calc_client.DEADLINE)
        with (
            calc_client.start("--server", address, "add", "2", "3") as client,
            calc_client.accept(listener) as connection,
        ):
            calc_client.answer_one(connection)
            output, _ = client.communicate(timeout=calc_client.DEADLINE)
    assert (output, client.returncode) == (b"5\n", 0)


def test_small_requests_are_not_held_back(server: str) -> None:
    with Client(server) as c:
        assert c._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_errors_are_also_the_builtin_ones() -> None:
    assert issubclass(ConnectError, OSError)
    assert issubclass(ConnectionLostError, ConnectionError)
    assert issubclass(ServerTimeoutError, TimeoutError)
    assert issubclass(DivisionByZeroError, ZeroDivisionError)
    assert issubclass(OperandRangeError, ValueError)
