"""calc-client with lines on its standard input."""

import random
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import calc_client
from support.c_server import CServer
from support.daemon import Calcd
from support.integers import c_int
from support.processes import wait_for


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CServer]:
    with CServer(tmp_path_factory.mktemp("c")) as running:
        yield running


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as running:
        yield "{}:{}".format(*running.address)


def test_each_line_has_its_line_of_output(server: CServer, calcd: str) -> None:
    lines = "add 2 3\n\n# a comment\n  2 * 3\nnonsense\ndiv 1 0\n2 * (3 + 4\n   # indented\n7 / -(1 + 1)"
    for address in (server.address, calcd):
        ended = calc_client.run("--server", address, lines=lines)
        assert ended.stdout == "5\n\n\n6\nerror\nerror\nerror\n\n-3\n"
        assert ended.returncode == 65
        assert ended.stderr.splitlines() == [
            "calc-client: line 5, column 1: unknown operation 'nonsense': there are add, sub, mul and div",
            "calc-client: line 6: division by zero",
            "calc-client: line 7, column 5: this parenthesis is not closed",
        ]


def test_many_lines_are_answered_in_order(server: CServer, calcd: str) -> None:
    numbers = random.Random(1)
    operands = [(numbers.randint(-(1 << 31), 0), numbers.randint(0, (1 << 31) - 1)) for _ in range(50_000)]
    lines = "".join(f"{a} - {b}\n" for a, b in operands)
    ended = calc_client.run("--server", calcd, lines=lines)
    assert (ended.stderr, ended.returncode) == ("", 0)
    assert list(map(int, ended.stdout.split())) == [a - b for a, b in operands]
    ended = calc_client.run("--server", server.address, "--classic", "--wrap", lines=lines)
    assert (ended.stderr, ended.returncode) == ("", 0)
    assert list(map(int, ended.stdout.split())) == [c_int(a - b) for a, b in operands]


def test_lines_that_do_not_fit_classic_are_errors_among_answers(server: CServer) -> None:
    lines = "1 + 1\n2147483647 + 1\n2 + 2\n" * 2000
    ended = calc_client.run("--server", server.address, lines=lines)
    assert (ended.stdout, ended.returncode) == ("2\nerror\n4\n" * 2000, 65)


@pytest.mark.parametrize("options", [[], ["--classic"]], ids=["resp", "classic"])
@pytest.mark.parametrize("count", [1000, 1001, 3500])
def test_max_requests_loses_no_answer(folder: Path, options: list[str], count: int) -> None:
    calcd = Calcd(folder)
    calcd.config.write_text("[calcd]\nMaxRequests=1000\n")
    calcd.expected.append(r"connection \d+ .*MaxRequests.*")
    with calcd:
        address = "{}:{}".format(*calcd.address)
        lines = "".join(f"{n} + 1\n" for n in range(count))
        ended = calc_client.run("--server", address, *options, lines=lines)
    assert (ended.stderr, ended.returncode) == ("", 0)
    assert list(map(int, ended.stdout.split())) == [n + 1 for n in range(count)]


def test_what_was_answered_is_written_when_the_rest_cannot_be() -> None:
    listener, address = calc_client.listen()
    with calc_client.start("--server", address) as client:
        assert client.stdin
        client.stdin.write(b"1 + 1\n2 + 2\n3 + 3\n")
        client.stdin.close()
        with calc_client.accept(listener) as connection:
            listener.close()
            connection.recv(100)
            connection.sendall(b":2\r\n:4\r\n")
        assert client.wait(calc_client.DEADLINE) == 69
        assert client.stdout
        assert client.stdout.read() == b"2\n4\n"


@pytest.mark.parametrize("options", [[], ["--classic"]], ids=["resp", "classic"])
def test_what_cannot_be_answers_is_none_of_many_lines(options: list[str]) -> None:
    listener, address = calc_client.listen()
    with listener, calc_client.start("--server", address, *options) as client:
        assert client.stdin
        client.stdin.write(b"1 + 1\n" * 100)
        client.stdin.close()
        with calc_client.accept(listener) as connection:
            connection.recv(12, socket.MSG_WAITALL)
            connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
            assert client.wait(calc_client.DEADLINE) == 76
        assert client.stdout
        assert client.stderr
        assert client.stdout.read() == b""
        assert b"sent 'SSH-2.0-OpenSSH_9.2p1" in client.stderr.read()


def test_a_byte_order_mark_is_none_of_the_first_line(server: CServer) -> None:
    for first in ("# a comment", "add 2 3"):
        ended = calc_client.run("--server", server.address, lines=f"\ufeff{first}\n2 + 2\n")
        assert ended.stdout.splitlines() == ["5" if first.startswith("add") else "", "4"]
        assert (ended.stderr, ended.returncode) == ("", 0)


def test_a_line_without_an_end_takes_no_memory(calcd: str) -> None:
    limited = "ulimit -v 200000; head -c 1000000000 /dev/zero | tr '\\0' 1 | \"$@\""
    ended = subprocess.run(
        ["sh", "-c", limited, "sh", *calc_client.COMMAND, "--server", calcd],
        capture_output=True,
        text=True,
        env=calc_client.environment(),
        timeout=calc_client.DEADLINE,
        check=False,
    )
    assert (ended.stdout, ended.returncode) == ("error\n", 65)
    assert ended.stderr == "calc-client: line 1, column 65537: an expression has at most 65536 characters\n"


@pytest.mark.parametrize("line", ["1 +", "2147483647 + 1"])
def test_many_errors_take_no_memory(calcd: str, line: str) -> None:
    limited = 'ulimit -v 200000; yes "$0" | head -n 300000 | "$@"'
    ended = subprocess.run(
        ["sh", "-c", limited, line, *calc_client.COMMAND, "--server", calcd, "--classic", "--quiet"],
        capture_output=True,
        env=calc_client.environment(),
        timeout=calc_client.DEADLINE,
        check=False,
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == (b"error\n" * 300_000, b"", 65)


@pytest.mark.parametrize("first", ["", "1 + "])
def test_a_line_of_which_only_a_part_is_kept_has_no_answer(calcd: str, tmp_path: Path, first: str) -> None:
    file = tmp_path / "lines"
    file.write_text(f"{first}{' ' * 262_145}5 - 3{' ' * 80_000}7\n2 + 2\n")
    ended = calc_client.run("--server", calcd, "-f", str(file))
    assert (ended.stdout, ended.returncode) == ("error\n4\n", 65)
    assert "an expression has at most 65536 characters" in ended.stderr


def send_all(connection: socket.socket, line: bytes, count: int) -> None:
    connection.sendall(line * count)
    connection.shutdown(socket.SHUT_WR)


def test_streams_that_do_not_block_are_waited_for(calcd: str) -> None:
    """Whoever shares a pipe or a terminal may have set that, for all who have it open."""
    number = b"9" * 100
    theirs, ours = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)  # a flag of what is open, so the program that inherits it has it too
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with subprocess.Popen(
            [*calc_client.COMMAND, "--server", calcd],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            env=calc_client.environment(),
        ) as client:
            theirs.close()
            ours.settimeout(calc_client.DEADLINE)
            ours.sendall(b"1 + 1\n")
            assert ours.recv(100) == b"2\n"
            wait_until_it_sleeps(client.pid)  # there is nothing to read
            sending = threading.Thread(target=send_all, args=(ours, number + b" + 0\n", 20_000))
            sending.start()
            select.select([ours], [], [], calc_client.DEADLINE)
            wait_until_it_sleeps(client.pid)  # there is no room to write
            output = b""
            while chunk := ours.recv(1 << 16):
                output += chunk
            sending.join()
    assert (output == (number + b"\n") * 20_000, client.returncode) == (True, 0)


def wait_until_it_sleeps(pid: int) -> None:
    stat = Path(f"/proc/{pid}/stat")
    wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] in "SZ", "a client that waits")


def test_a_line_longer_than_any_buffer_is_one_bad_line(server: CServer) -> None:
    ended = calc_client.run("--server", server.address, lines=f"add {'9' * 300_000} 1\nadd 2 3\n")
    assert (ended.stdout, ended.returncode) == ("error\n5\n", 65)
    assert len(ended.stderr.splitlines()) == 1


def test_bytes_that_are_no_text_are_a_bad_line(server: CServer) -> None:
    with calc_client.start("--server", server.address) as client:
        output, _ = client.communicate(b"\xff\xfe\x00\nadd 2 3\r\n", timeout=calc_client.DEADLINE)
    assert (output, client.returncode) == (b"error\n5\n", 65)


def test_no_lines_need_no_server() -> None:
    ended = calc_client.run("--server", "127.0.0.1:1", lines="")
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)


def test_a_coprocess_has_its_answer_before_it_writes_more(server: CServer) -> None:
    with calc_client.start("--server", server.address) as client:
        assert client.stdin
        assert client.stdout
        for line, answer in (
            (b"add 2 3\n", b"5\n"),
            (b"what\n", b"error\n"),
            (b"\n", b"\n"),
            (b"2 * 4\n", b"8\n"),
        ):
            client.stdin.write(line)
            client.stdin.flush()
            assert client.stdout.readline() == answer
        client.communicate(timeout=calc_client.DEADLINE)
    assert client.returncode == 65


def test_a_coprocess_does_not_notice_a_restart(server: CServer) -> None:
    with calc_client.start("--server", server.address) as client:
        assert client.stdin
        assert client.stdout
        for line, answer in ((b"add 2 3\n", b"5\n"), (b"2 * 4\n", b"8\n")):
            client.stdin.write(line)
            client.stdin.flush()
            assert client.stdout.readline() == answer
            server.kill()
            server.start()
        assert client.communicate(timeout=calc_client.DEADLINE) == (b"", b"")
    assert client.returncode == 0


def test_no_server_is_status_69(server: CServer) -> None:
    server.kill()
    ended = calc_client.run("--server", server.address, lines="add 2 3\n")
    assert (ended.stdout, ended.returncode) == ("", 69)
    assert server.address in ended.stderr


def test_a_server_that_closes_every_connection_is_status_76() -> None:
    listener, address = calc_client.listen()
    with listener, calc_client.start("--server", address) as client:
        assert client.stdin
        client.stdin.write(b"add 2 3\n")
        client.stdin.flush()
        for _ in ("resp", "classic"):
            with calc_client.accept(listener) as connection:
                connection.recv(12)
        output, errors = client.communicate(timeout=calc_client.DEADLINE)
    assert (output, client.returncode) == (b"", 76)
    assert b"closed the connection without an answer" in errors


def test_a_closed_output_ends_it_quietly(server: CServer) -> None:
    with calc_client.start("--server", server.address) as client:
        assert client.stdout
        client.stdout.close()
        assert client.stdin
        client.stdin.write(b"add 2 3\n")
        client.stdin.close()
        assert client.wait(calc_client.DEADLINE) == -signal.SIGPIPE
        assert client.stderr
        assert client.stderr.read() == b""


def test_an_input_that_cannot_be_read_is_status_74() -> None:
    ended = subprocess.run(
        ["sh", "-c", 'exec "$@" 0>/dev/null', "sh", *calc_client.COMMAND],
        capture_output=True,
        text=True,
        env=calc_client.environment(),
        timeout=calc_client.DEADLINE,
        check=False,
    )
    assert ended.returncode == 74
    assert "Bad file descriptor" in ended.stderr
