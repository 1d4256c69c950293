"""calc-client with lines on its standard input."""

import random
import signal
import subprocess
from collections.abc import Iterator

import pytest
from support import calc_client
from support.c_server import CServer
from support.integers import c_int


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CServer]:
    with CServer(tmp_path_factory.mktemp("c")) as running:
        yield running


def test_each_line_has_its_line_of_output(server: CServer) -> None:
    lines = "add 2 3\n\n# a comment\n  2 * 3\nnonsense\ndiv 1 0\nadd 2147483648 0\n   # indented\n7 / -2"
    ended = calc_client.run("--server", server.address, lines=lines)
    assert ended.stdout == "5\n\n\n6\nerror\nerror\nerror\n\n-3\n"
    assert ended.returncode == 65
    assert ended.stderr.splitlines() == [
        "calc-client: line 5: unknown operation 'nonsense': there are add, sub, mul and div",
        "calc-client: line 6: division by zero has no answer",
        "calc-client: line 7: the first operand does not fit 32 bits: write -2147483648 to 2147483647",
    ]


def test_many_lines_are_answered_in_order(server: CServer) -> None:
    numbers = random.Random(1)
    operands = [(numbers.randint(-(1 << 31), 0), numbers.randint(0, (1 << 31) - 1)) for _ in range(50_000)]
    ended = calc_client.run("--server", server.address, lines="".join(f"{a} - {b}\n" for a, b in operands))
    assert (ended.stderr, ended.returncode) == ("", 0)
    assert list(map(int, ended.stdout.split())) == [c_int(a - b) for a, b in operands]


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
