"""calc-client for one answer, and the library, on real sockets."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import calc_client
from support.c_server import CServer
from support.daemon import TREE, Calcd

import calcd
from calcd.client import (
    Client,
    ConnectError,
    ConnectionLostError,
    DivisionByZeroError,
    NotCalcdError,
    Operation,
    ServerTimeoutError,
    SharedClientError,
    TooBigError,
)
from calcd.client.connecting import connect
from calcd.protocol import classic


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that knows the classic protocol alone."""
    with CServer(tmp_path_factory.mktemp("c")) as running:
        yield running.address


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as running:
        yield "{}:{}".format(*running.address)


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
        (["2 * (3 + 4) - -5"], "19"),
        (["-5", "+", "3"], "-2"),
        (["--", "-5", "+", "3"], "-2"),
        (["5 \u2212 3"], "2"),
        (["42"], "42"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--classic"]], ids=["resp", "classic"])
def test_one_answer(server: str, older: str, options: list[str], command: list[str], result: str) -> None:
    for address in (server, older):
        ended = calc_client.run("--server", address, *options, *command)
        assert (ended.stdout, ended.stderr, ended.returncode) == (result + "\n", "", 0)


@pytest.mark.parametrize(
    ("command", "result"),
    [
        ("2147483647 + 1", "2147483648"),
        ("div -2147483648 -1", "2147483648"),
        ("99999999999 * 99999999999", "9999999999800000000001"),
        (f"-{10**1000} * {10**1000}", str(-(10**2000))),
        ("65536 * 65536 / 65536", "65536"),
    ],
)
def test_answers_are_exact_whatever_their_size(server: str, command: str, result: str) -> None:
    ended = calc_client.run("--server", server, command)
    assert (ended.stdout, ended.stderr, ended.returncode) == (result + "\n", "", 0)


@pytest.mark.parametrize("command", ["2147483647 + 1", "4294967296 / 2", "65536 * 65536 / 65536"])
def test_in_classic_what_does_not_fit_is_refused_and_not_wrapped(
    server: str, older: str, command: str
) -> None:
    for options in (["--server", server, "--classic"], ["--server", older]):
        ended = calc_client.run(*options, command)
        assert (ended.stdout, ended.returncode) == ("", 2)
        assert "does not fit the 32 bits of the classic protocol" in ended.stderr
        assert "--wrap" in ended.stderr


def test_who_wants_it_to_wrap_gets_it_wrapped(server: str, older: str) -> None:
    for address in (server, older):
        ended = calc_client.run("--server", address, "--classic", "--wrap", "2147483647 + 4294967297")
        assert (ended.stdout, ended.stderr, ended.returncode) == ("-2147483648\n", "", 0)


def test_the_protocol_is_taken_from_the_environment(server: str) -> None:
    for protocol, result in (("classic", ""), ("resp", "2147483648\n"), ("", "2147483648\n")):
        environment = calc_client.environment(CALCD_PROTOCOL=protocol)
        assert calc_client.run("--server", server, "2147483647 + 1", env=environment).stdout == result
    ended = calc_client.run("1 + 1", env=calc_client.environment(CALCD_PROTOCOL="gopher"))
    assert ended.returncode == 64
    assert "CALCD_PROTOCOL in the environment, 'gopher'" in ended.stderr


def test_a_calcd_that_speaks_classic_alone_is_asked_in_classic(folder: Path) -> None:
    calcd = Calcd(folder)
    calcd.config.write_text("[calcd]\nProtocols=classic\n")
    with calcd:
        calcd.expected.append(r"connection \d+ .* does not speak calcd's protocols, .*")
        ended = calc_client.run("--server", "{}:{}".format(*calcd.address), "2 * (3 + 4)")
        assert (ended.stdout, ended.stderr, ended.returncode) == ("14\n", "", 0)
        calcd.wait_for_log(r"connection \d+ .* quit; requests: 2, .* protocol: classic.*")


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["div", "1", "0"], 1, "calc-client: division by zero\n"),
        (["1 + 2 / (3 - 3)"], 1, "calc-client: division by zero\n"),
        (["9" * 1025, "+ 1"], 2, "calc-client: operand 1 has more than 1024 digits\n"),
        (["9" * 1024 + "*" + "9" * 1024 + "* 10"], 2, "digits\n"),
    ],
)
def test_an_error_has_the_servers_reason_and_a_status(
    server: str, command: list[str], status: int, said: str
) -> None:
    ended = calc_client.run("--server", server, *command)
    assert (ended.stdout, ended.returncode) == ("", status)
    assert ended.stderr.endswith(said)


def test_a_server_that_knows_no_calculation_is_status_3() -> None:
    with calc_client.played("add", "2", "3") as (client, connection):
        calc_client.receive_line(connection)
        connection.sendall(b"-ERR unknown command 'ADD', with args beginning with: '2' '3' \r\n")
        output, errors = client.communicate(timeout=calc_client.DEADLINE)
    assert (output, client.returncode) == (b"", 3)
    assert b"the server's answer is an error: ERR unknown command 'ADD'" in errors


@pytest.mark.parametrize("is_asked", [True, False], ids=["asked", "unasked"])
@pytest.mark.parametrize("options", [[], ["--classic"]], ids=["resp", "classic"])
@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.2p1\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_cannot_be_an_answer_is_shown_and_is_no_number(
    options: list[str], said: bytes, is_asked: bool
) -> None:
    with calc_client.played(*options, "add", "2", "3") as (client, connection):
        if is_asked:
            connection.recv(12, socket.MSG_WAITALL)
        connection.sendall(said)
        output, errors = client.communicate(timeout=calc_client.DEADLINE)
    assert (output, client.returncode) == (b"", 76)
    assert repr(said)[1:-1].encode() in errors
    assert b"another program listens there (ss -tlnp shows which)" in errors


def test_a_server_of_the_classic_protocol_that_answers_anything_is_found_out() -> None:
    with calc_client.played("add", "2", "3") as (client, connection):
        connection.recv(12, socket.MSG_WAITALL)
        connection.sendall(b"\0\0\0\0")
        output, errors = client.communicate(timeout=calc_client.DEADLINE)
    assert (output, client.returncode) == (b"", 76)
    assert b"a server that knows the classic protocol alone takes --classic" in errors


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
        (["9" * 5000, "+ 1"], 2, "a number has 5000 digits"),
        (["frobnicate", "1", "2"], 64, "unknown operation 'frobnicate'"),
        (["add", "1"], 64, "add takes two numbers"),
        (["2 * (3 + 4"], 64, "this parenthesis is not closed\n    2 * (3 + 4\n        ^\n"),
        (["("] * 60_000, 64, "at most 65536 characters"),
        ([b"2 + \xff"], 64, "the byte 0xFF, which is no UTF-8"),
        ([""], 64, "there is nothing to calculate"),
        (["--wrap", "1 + 1"], 64, "--wrap needs --classic"),
        (["--frobnicate"], 64, "unknown option --frobnicate"),
        (["--server", "nonsense", "add", "1", "2"], 64, "'nonsense'"),
    ],
)
def test_a_mistake_is_explained_without_asking_the_server(
    command: list[str | bytes], status: int, said: str
) -> None:
    listener, address = calc_client.listen()
    with listener:
        ended = calc_client.run("--server", address, *map(os.fsdecode, command))
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
        "longer timeout helps), or another program listens there (ss -tlnp shows which); a server that knows "
        "the classic protocol alone takes --classic\n"
    )


def test_half_an_answer_is_no_answer() -> None:
    listener, address = calc_client.listen()
    with listener, calc_client.start("--server", address, "add", "2", "3") as client:
        with calc_client.accept(listener) as connection:
            calc_client.receive_line(connection)
            connection.sendall(b":5")
        output, errors = client.communicate(timeout=calc_client.DEADLINE)
    assert (output, client.returncode) == (b"", 76)
    assert b"closed the connection without an answer" in errors
    assert b"another program listens there (ss -tlnp shows which)" in errors


def test_a_reset_connection_is_status_76() -> None:
    listener, address = calc_client.listen()
    with listener, calc_client.start("--server", address, "add", "2", "3") as client:
        for _ in ("resp", "classic"):
            with calc_client.accept(listener) as connection:
                connection.recv(1)  # closed with bytes unread, TCP resets
        _, errors = client.communicate(timeout=calc_client.DEADLINE)
    assert client.returncode == 76
    assert b"Connection reset by peer" in errors
    assert b"another program listens there (ss -tlnp shows which)" in errors


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
    with calc_client.played("add", "2", "3") as (client, connection):
        calc_client.receive_line(connection)
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


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_mistake_that_nobody_can_be_told_has_its_status_and_is_no_answer(redirection: str) -> None:
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *calc_client.COMMAND, "2 +"],
        stdout=subprocess.PIPE,
        text=True,
        env=calc_client.environment(),
        timeout=calc_client.DEADLINE,
        check=False,
    )
    assert (ended.stdout, ended.returncode) == ("", 64)


def test_a_fault_of_its_own_is_no_division_by_zero() -> None:
    start = "from calcd.client.program import main; main.parse_arguments = lambda _: 1 / 0; main.main()"
    ended = subprocess.run(
        [sys.executable, "-c", start],
        capture_output=True,
        text=True,
        env=calc_client.environment(),
        timeout=calc_client.DEADLINE,
        check=False,
    )
    assert (ended.stdout, ended.returncode) == ("", 70)
    assert "this is a fault of calc-client itself, please report it: ZeroDivisionError" in ended.stderr


def test_the_library_answers(server: str) -> None:
    with Client(server, timeout=calc_client.DEADLINE) as c:
        assert (c.add(2, 3), c.sub(2, 3), c.mul(-2, 3), c.div(-7, 2)) == (5, -1, -6, -3)


@pytest.mark.parametrize("protocol", ["resp", "classic"])
def test_the_library_goes_on_after_a_request_that_has_no_result(server: str, protocol: str) -> None:
    with Client(server, protocol=protocol) as c:
        with pytest.raises(DivisionByZeroError):
            c.div(1, 0)
        with pytest.raises(TooBigError):
            c.mul(10**1024, 1)
        with pytest.raises(DivisionByZeroError):
            c.compute([(Operation.ADD, 1, 1), (Operation.DIV, 1, 0), (Operation.ADD, 1, 1)])
        assert c.add(2, 3) == 5


def test_the_library_is_exact_and_wraps_where_it_is_told_to(server: str) -> None:
    with Client(server) as c:
        assert c.mul(2**1000, -(2**1000)) == -(2**2000)
    with Client(server, protocol="classic", wraps=True) as c:
        assert c.add(2**31 - 1, 1) == -(2**31)


def test_threads_that_share_a_client_get_their_own_answers(server: str) -> None:
    wrong: list[tuple[int, int]] = []

    def ask(c: Client, first: int) -> None:
        for n in range(first, first + 2000):
            if (answer := c.add(n, 0)) != n:
                wrong.append((n, answer))

    with Client(server, timeout=calc_client.DEADLINE) as c:
        threads = [threading.Thread(target=ask, args=(c, 10_000 * n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_close_leaves_the_calls_of_other_threads_their_answers() -> None:
    listener, address = calc_client.listen()
    answers: list[int] = []
    with listener, Client(address) as c, calc_client.accept(listener) as connection:
        asking = threading.Thread(target=lambda: answers.append(c.add(2, 3)))
        asking.start()
        calc_client.receive_line(connection)
        closing = threading.Thread(target=c.close)
        closing.start()
        closing.join(0.05)  # more than it takes, if it does not wait
        connection.sendall(b":5\r\n")
        closing.join()
        asking.join()
        assert connection.recv(1) == b""
    assert answers == [5]


def test_the_library_answers_where_there_is_no_poll(server: str) -> None:
    program = (
        "import select, sys; del select.poll, select.epoll\n"
        "from calcd.client import Client\n"
        "with Client(sys.argv[1]) as c: print(c.compute((0, n, 1) for n in range(50_000))[-1])"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, server],
        capture_output=True,
        text=True,
        env=calc_client.environment(),
        timeout=calc_client.DEADLINE,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("50000\n", "")


FORKS = """
import os, sys
from calcd.client import Client, SharedClientError
with Client(sys.argv[1]) as c:
    if os.fork() == 0:
        with c:
            try:
                c.add(2, 3)
            except SharedClientError as error:
                print("refused:", error, flush=True)
        os._exit(0)
    os.wait()
    print(c.add(2, 3))
"""


def test_a_child_process_cannot_use_its_parents_client(server: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKS, server],
        capture_output=True,
        text=True,
        env=calc_client.environment(CALCD_PROTOCOL="classic"),  # in which a close is a word to the server
        timeout=calc_client.DEADLINE,
        check=True,
    )
    refusal, answer = ended.stdout.splitlines()
    assert refusal.startswith(f"refused: the connection to {server} belongs to another process")
    assert answer == "5"


# A program of its own: Python handles signals in the main thread alone, which a test need not be in.
IN_A_HANDLER = """
import signal, sys
from calcd.client import Client, SharedClientError

def handle(number, frame):
    try:
        client.add(1, 1)
    except SharedClientError:
        print("refused", flush=True)

signal.signal(signal.SIGALRM, handle)
with Client(sys.argv[1]) as client:
    print(client.add(2, 3))
"""


def test_a_signal_handler_cannot_use_a_client_that_waits_for_an_answer() -> None:
    listener, address = calc_client.listen()
    command = [sys.executable, "-W", "error", "-c", IN_A_HANDLER, address]
    with (
        listener,
        subprocess.Popen(command, cwd=TREE, stdout=subprocess.PIPE, text=True) as program,
        calc_client.accept(listener) as connection,
    ):
        assert program.stdout is not None
        assert connection.recv(100)  # by now, the client waits for an answer
        program.send_signal(signal.SIGALRM)
        assert program.stdout.readline() == "refused\n"
        connection.sendall(b":5\r\n")
        assert program.stdout.read() == "5\n"


def test_the_library_pipelines_more_than_the_sockets_hold(server: str, older: str) -> None:
    requests = [(Operation.SUB, n, 3 * n) for n in range(300_000)]
    for address in (server, older):
        with Client(address, timeout=calc_client.DEADLINE) as c:
            assert c.compute(iter(requests)) == [a - b for _, a, b in requests]
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


def test_a_clean_close_says_quit_in_classic() -> None:
    listener, address = calc_client.listen()
    with listener:
        client = Client(address, protocol="classic")
        with calc_client.accept(listener) as connection:
            client.close()
            client.close()
            assert connection.recv(100, socket.MSG_WAITALL) == classic.encode_request(Operation.QUIT)


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
            calc_client.add_one(connection)
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
            calc_client.add_one(connection)
            output, _ = client.communicate(timeout=calc_client.DEADLINE)
    assert (output, client.returncode) == (b"5\n", 0)


def test_small_requests_are_not_held_back(server: str) -> None:
    with connect(server, calc_client.DEADLINE) as connection:
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_errors_are_also_the_builtin_ones() -> None:
    assert issubclass(ConnectError, OSError)
    assert issubclass(ConnectionLostError, ConnectionError)
    assert issubclass(ServerTimeoutError, TimeoutError)
    assert issubclass(DivisionByZeroError, ZeroDivisionError)
    assert issubclass(TooBigError, ValueError)
    assert issubclass(NotCalcdError, ConnectionError)
    assert issubclass(SharedClientError, RuntimeError)
