"""calc-client with files, and the options that say how lines are answered."""

import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from support import calc_client
from support.daemon import Calcd
from support.processes import wait_for

LINES = "1 + 1\n\n2 / 0\n(3\n4 + 4\n"


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as running:
        yield "{}:{}".format(*running.address)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Two files, neither of which ends with a newline, and which begin with a byte order mark."""
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("\ufeff1 + 1\n2 / 0")
    second.write_text("\ufeff3 + 3\n(4")
    return str(first), str(second)


def objects(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.mark.parametrize("form", ["-f {} -f {}", "-f {} {}", "{} -f {}", "-f{} --file={}"])
def test_files_are_read_one_after_the_other(calcd: str, files: tuple[str, str], form: str) -> None:
    if form.startswith("{"):
        files = (files[1], files[0])  # the option names the first file
    ended = calc_client.run("--server", calcd, *form.format(*files).split())
    first, second = sorted(files)
    assert (ended.stdout, ended.returncode) == ("2\nerror\n6\nerror\n", 65)
    assert ended.stderr.splitlines() == [
        f"calc-client: {first}, line 2: division by zero",
        f"calc-client: {second}, line 2, column 1: this parenthesis is not closed",
    ]


def test_a_dash_is_standard_input_among_files(calcd: str, files: tuple[str, str]) -> None:
    ended = calc_client.run("--server", calcd, "-f", files[0], "-", files[1], lines="5 / 0\n")
    assert (ended.stdout, ended.returncode) == ("2\nerror\nerror\n6\nerror\n", 65)
    assert "calc-client: standard input, line 1: division by zero\n" in ended.stderr


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_answered(
    calcd: str, files: tuple[str, str], tmp_path: Path
) -> None:
    ended = calc_client.run("--server", calcd, "-f", f"{tmp_path}/none", str(tmp_path), files[1])
    assert (ended.stdout, ended.returncode) == ("6\nerror\n", 66)
    assert ended.stderr.splitlines()[:2] == [
        f"calc-client: {tmp_path}/none: No such file or directory",
        f"calc-client: {tmp_path}: Is a directory",
    ]
    ended = calc_client.run("--server", calcd, "--fail-fast", "-f", f"{tmp_path}/none", files[1])
    assert (ended.stdout, ended.returncode) == ("", 66)


def test_each_line_has_an_object_of_json(calcd: str) -> None:
    ended = calc_client.run("--server", calcd, "--json", lines=LINES + f"{'9' * 30} + 0\r\n# why\n")
    assert (ended.stderr, ended.returncode) == ("", 65)
    assert objects(ended.stdout) == [
        {"line": 1, "input": "1 + 1", "result": "2"},
        {"line": 2, "input": "", "result": None},
        {"line": 3, "input": "2 / 0", "error": {"status": 1, "message": "division by zero"}},
        {
            "line": 4,
            "input": "(3",
            "error": {"status": 64, "message": "this parenthesis is not closed", "column": 1},
        },
        {"line": 5, "input": "4 + 4", "result": "8"},
        {"line": 6, "input": f"{'9' * 30} + 0", "result": "9" * 30},
        {"line": 7, "input": "# why", "result": None},
    ]


def test_an_object_names_the_file_where_there_can_be_several(calcd: str, files: tuple[str, str]) -> None:
    ended = calc_client.run("--server", calcd, "--json", "-f", *files, "-", lines="5 + 5")
    assert [(o["file"], o["line"]) for o in objects(ended.stdout)] == [
        (files[0], 1),
        (files[0], 2),
        (files[1], 1),
        (files[1], 2),
        ("-", 1),
    ]


def test_bytes_that_are_no_text_are_replaced_in_json(calcd: str) -> None:
    with calc_client.start("--server", calcd, "--json") as client:
        output, _ = client.communicate(b"1 + \xff\n", timeout=calc_client.DEADLINE)
    (told,) = objects(output.decode("ascii"))
    assert told["input"] == "1 + \ufffd"


@pytest.mark.parametrize(
    ("expression", "status", "told"),
    [
        ("2 * 3", 0, {"result": "6"}),
        ("2 / 0", 1, {"error": {"status": 1, "message": "division by zero"}}),
        ("2 *", 64, {"error": {"status": 64, "message": "a number is missing", "column": 4}}),
    ],
)
def test_one_expression_has_one_object(
    calcd: str, expression: str, status: int, told: dict[str, object]
) -> None:
    ended = calc_client.run("--server", calcd, "--json", expression)
    assert objects(ended.stdout) == [{"line": 1, "input": expression, **told}]
    assert (ended.stderr, ended.returncode) == ("", status)


@pytest.mark.parametrize("operands", [["2 / 0"], ["2 *"], ["-f", "/nonexistent"], []])
def test_who_wants_it_quiet_has_the_status_alone(calcd: str, operands: list[str]) -> None:
    loud = calc_client.run("--server", calcd, *operands, lines=LINES)
    ended = calc_client.run("--server", calcd, "--quiet", *operands, lines=LINES)
    assert loud.stderr
    assert (ended.stdout, ended.stderr, ended.returncode) == (loud.stdout, "", loud.returncode)


def test_a_server_that_is_not_there_is_no_noise_either() -> None:
    ended = calc_client.run("--server", "127.0.0.1:1", "-q", "1 + 1")
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 69)


@pytest.mark.parametrize(
    ("lines", "output", "said"),
    [
        ("1 + 1\n2 / 0\n3 + 3\n", "2\nerror\n", "line 2: division by zero"),
        ("1 + 1\n(2\n3 / 0\n", "2\nerror\n", "line 2, column 1: this parenthesis is not closed"),
        ("1 / 0\n(2\n3 / 0\n", "error\n", "line 1: division by zero"),
    ],
)
def test_the_first_error_ends_it_where_that_is_wanted(calcd: str, lines: str, output: str, said: str) -> None:
    ended = calc_client.run("--server", calcd, "--fail-fast", lines=lines)
    assert (ended.stdout, ended.stderr, ended.returncode) == (output, f"calc-client: {said}\n", 65)


def test_nothing_more_is_read_after_the_first_error(calcd: str, files: tuple[str, str]) -> None:
    ended = calc_client.run("--server", calcd, "--fail-fast", "-f", *files)
    assert (ended.stdout, ended.returncode) == ("2\nerror\n", 65)
    with calc_client.start("--server", calcd, "--fail-fast") as client:
        assert client.stdin
        client.stdin.write(b"what\n")
        client.stdin.flush()  # and stays open
        assert client.wait(calc_client.DEADLINE) == 65


def test_nothing_behind_a_mistake_is_asked() -> None:
    ended = calc_client.run("--server", "127.0.0.1:1", "--fail-fast", lines="(2\n1 + 1\n")
    assert (ended.stdout, ended.returncode) == ("error\n", 65)


def test_statistics_are_told_at_the_end(calcd: str) -> None:
    ended = calc_client.run("--server", calcd, "--stats", lines=LINES + "1 * 2 * 3\n" * 5000)
    *errors, requests, bad, seconds, rate, p50, p99 = ended.stderr.splitlines()
    assert len(errors) == 2
    assert (requests, bad) == ("requests: 10003", "errors: 2")
    number = r"[\d.]+(e-\d+)?"
    for pattern, line in (
        (r"time: [\d.]+ s", seconds),
        (r"rate: \d+/s", rate),
        (f"p50: {number} ms", p50),
        (f"p99: {number} ms", p99),
    ):
        assert re.fullmatch(pattern, line)
    assert float(p50.split()[1]) <= float(p99.split()[1]) <= float(seconds.split()[1]) * 1000 + 1


def test_statistics_are_of_one_expression_too_and_of_none(calcd: str) -> None:
    ended = calc_client.run("--server", calcd, "--stats", "1 + 2 * 3")
    assert ended.stdout == "7\n"
    assert ended.stderr.startswith("requests: 2\nerrors: 0\n")
    ended = calc_client.run("--server", calcd, "--stats", lines="")
    assert ended.stderr.startswith("requests: 0\nerrors: 0\n")
    assert "p50" not in ended.stderr


def test_ctrl_c_keeps_what_was_answered() -> None:
    listener, address = calc_client.listen()
    with listener, calc_client.start("--server", address, "--stats") as client:
        assert client.stdin
        client.stdin.write(b"1 + 1\n" * 100)
        client.stdin.flush()
        with calc_client.accept(listener) as connection:
            calc_client.receive_line(connection)
            connection.sendall(b":2\r\n" * 3)
            port = connection.getpeername()[1]
            wait_for(lambda: has_read_all(port) and sleeps(client.pid), "a client that has read the answers")
            client.send_signal(signal.SIGINT)
            output, errors = client.communicate(timeout=calc_client.DEADLINE)
    assert (output, client.returncode) == (b"2\n2\n2\n", -signal.SIGINT)
    assert errors.startswith(b"requests: 3\n")


def has_read_all(port: int) -> bool:
    """Whether the socket with this local port has nothing left to read: proc(5) on /proc/net/tcp."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[4].endswith(":00000000") for row in rows)


def sleeps(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["plain", "json"])
def test_ctrl_c_cuts_no_line(calcd: str, tmp_path: Path, options: list[str]) -> None:
    count = 300_000
    lines = tmp_path / "lines"
    lines.write_text("".join(f"{n} + 0\n" for n in range(count)))
    with calc_client.start("--server", calcd, *options, "-f", str(lines)) as client:
        assert client.stdout
        output = os.read(client.stdout.fileno(), 10)  # from now on it writes, asks or reads
        client.send_signal(signal.SIGINT)
        rest, errors = client.communicate(timeout=calc_client.DEADLINE)
    answers = (output + rest).decode().splitlines(keepends=True)
    assert (errors, client.returncode) == (b"", -signal.SIGINT)
    assert 0 < len(answers) < count
    results = [json.loads(a)["result"] for a in answers] if options else [a.rstrip("\n") for a in answers]
    assert results == [str(n) for n in range(len(answers))]
    assert answers[-1].endswith("\n")


def test_a_second_ctrl_c_does_not_wait_for_who_reads(calcd: str, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_text("1 + 1\n" * 300_000)
    with calc_client.start("--server", calcd, "-f", str(lines)) as client:
        assert client.stdout
        wait_for(lambda: is_full(client.stdout) and sleeps(client.pid), "a client that cannot write")
        client.send_signal(signal.SIGINT)
        wait_for(lambda: interrupted(client), "its end")
        assert client.returncode == -signal.SIGINT


def interrupted(client: subprocess.Popen[bytes]) -> bool:
    client.send_signal(signal.SIGINT)
    return client.poll() is not None


def is_full(pipe: IO[bytes] | None) -> bool:
    assert pipe
    unread: int
    (unread,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
    return unread > int(fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)) - 4096  # the last page has gaps


def test_who_ignores_ctrl_c_is_not_interrupted(calcd: str) -> None:
    """A shell without job control has what it starts in the background ignore the signal."""
    with subprocess.Popen(
        ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *calc_client.COMMAND, "--server", calcd],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=calc_client.environment(),
    ) as client:
        assert client.stdin
        assert client.stdout
        for line, answer in ((b"1 + 1\n", b"2\n"), (b"2 + 2\n", b"4\n")):
            client.stdin.write(line)
            client.stdin.flush()
            assert client.stdout.readline() == answer
            client.send_signal(signal.SIGINT)
        client.communicate(timeout=calc_client.DEADLINE)
    assert client.returncode == 0
