"""redis-cli as a client of calcd: one command, a prompt, a stream of commands, and what else it can do.

tests/system/test_debians_redis_cli.py runs these tests with those of both Debians."""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest
from support.daemon import Calcd
from support.processes import DEADLINE
from support.resp import array
from support.terminal import Terminal

ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "REDISCLI_HISTFILE": "/dev/null"}
BEYOND = "9223372036854775808"
# In bold and grey, on any terminal and none: console_codes(4).
HELP = "\x1b[1mADD\x1b[0m \x1b[90mnumber number [number ...]\x1b[0m"


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calcd]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as calcd:
        # --rdb says nothing that calcd knows.
        calcd.expected.append(r"connection \d+ .* it sent '\*3.*REPL', which looks like Redis")
        yield calcd


@pytest.fixture(scope="module")
def cli() -> list[str]:
    """The command of redis-cli, with an absolute path."""
    return ["/usr/bin/redis-cli"]


def at(calcd: Calcd) -> list[str]:
    host, port = calcd.address
    return ["-h", host, "-p", str(port)]


def run(
    cli: list[str], calcd: Calcd, *arguments: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*cli, *at(calcd), *arguments],
        input=stdin,
        capture_output=True,
        env=ENVIRONMENT,
        timeout=DEADLINE,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def prompt(cli: list[str], calcd: Calcd, *arguments: str, kind: str = "dumb") -> Terminal:
    """Each key has to wait for the prompt: where redis-cli begins to read, it drops what was typed before."""
    return Terminal([*cli, *at(calcd), *arguments], ENVIRONMENT, columns=100, kind=kind)


# One command ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["-3"], ["-n", "0"], ["--user", "default", "--pass", "x"]])
def test_a_command_is_answered(cli: list[str], calcd: Calcd, options: list[str]) -> None:
    for command, answer in (
        ("ADD 2 3", "5"),
        ("mul 2 3 7", "42"),
        (f"ADD {BEYOND} -1", "9223372036854775807"),
        (f"SUB {BEYOND} 0", BEYOND),
        ("PING", "PONG"),
        ("ECHO hello", "hello"),
    ):
        result = run(cli, calcd, *options, *command.split())
        assert (result.stdout, result.returncode) == (f"{answer}\n", 0), result


def test_a_command_is_answered_by_the_address_in_a_url(cli: list[str], calcd: Calcd) -> None:
    host, port = calcd.address
    result = subprocess.run(
        [*cli, "-u", f"redis://{host}:{port}/0", "ADD", "2", "3"], capture_output=True, text=True, check=True
    )
    assert result.stdout == "5\n"


def test_types_are_shown_for_people(cli: list[str], calcd: Calcd) -> None:
    for options in ([], ["-3"]):
        assert run(cli, calcd, "--no-raw", *options, "ADD", "2", "3").stdout == "(integer) 5\n"
        assert run(cli, calcd, "--no-raw", *options, "ADD", BEYOND, "0").stdout == f'"{BEYOND}"\n'
        assert run(cli, calcd, "--no-raw", *options, "CLIENT", "GETNAME").stdout == "(nil)\n"
        error = run(cli, calcd, "--no-raw", *options, "DIV", "1", "0").stdout
        assert error.startswith("(error) DIVBYZERO ")
        assert run(cli, calcd, *options, "INFO", "REPLICATION").stdout.startswith(
            "# Replication\r\nrole:master\r\n"
        )
    assert re.match(r'1# "server" => "calcd"\n', run(cli, calcd, "--no-raw", "HELLO", "3").stdout)


def test_an_error_is_an_exit_status_with_e(cli: list[str], calcd: Calcd) -> None:
    for arguments, first_word in (("DIV 1 0", "DIVBYZERO"), ("ADD 1 x", "NOTINT"), ("GET k", "ERR")):
        for options, status in (([], 0), (["-e"], 1), (["-e", "-3"], 1)):
            result = run(cli, calcd, *options, *arguments.split())
            assert result.returncode == status
            assert (result.stdout + result.stderr).startswith(f"{first_word} ")
    assert run(cli, calcd, "-e", "ADD", "2", "3").returncode == 0


def test_json(cli: list[str], calcd: Calcd) -> None:
    assert run(cli, calcd, "--json", "ADD", "2", "3").stdout == "5\n"
    assert run(cli, calcd, "--json", "ADD", BEYOND, "0").stdout == f'"{BEYOND}"\n'
    assert run(cli, calcd, "--json", "HELLO", "3").stdout.startswith('{"server":"calcd",')
    assert run(cli, calcd, "--json", "CLIENT", "GETNAME").stdout == "null\n"


def test_a_password_and_a_database_that_calcd_does_not_have_are_told_and_it_goes_on(
    cli: list[str], calcd: Calcd
) -> None:
    result = run(cli, calcd, "-a", "secret", "ADD", "2", "3")
    assert result.stdout.splitlines()[-1] == "5"
    assert "AUTH failed: ERR AUTH <password> called without any password configured" in (
        result.stdout + result.stderr
    )
    result = run(cli, calcd, "-n", "3", "ADD", "2", "3")
    assert result.stdout.splitlines()[-1] == "5"
    assert "SELECT 3 failed: ERR DB index is out of range" in result.stdout + result.stderr


def test_a_command_is_repeated_and_takes_its_last_word_from_stdin(cli: list[str], calcd: Calcd) -> None:
    assert run(cli, calcd, "-r", "3", "ADD", "2", "3").stdout == "5\n5\n5\n"
    assert run(cli, calcd, "-x", "ECHO", stdin=b"\x01 \r\nx").stdout == "\x01 \r\nx\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [("--scan", 1), ("--bigkeys", 1), ("--rdb /dev/null", 1), ("MONITOR", 0), ("SUBSCRIBE channel", 0)],
)
def test_what_is_about_a_database_ends_with_a_message(
    cli: list[str], calcd: Calcd, words: str, status: int
) -> None:
    result = run(cli, calcd, *words.split())
    assert result.returncode == status
    assert "ERR unknown command" in result.stdout + result.stderr


# Commands from standard input -------------------------------------------------------------------------


def test_commands_come_from_stdin(cli: list[str], calcd: Calcd) -> None:
    for options in ([], ["-3"]):
        result = run(cli, calcd, *options, stdin=b'ADD 2 3\nECHO "a b"\nDIV 1 0\n\nMUL 2 3\n')
        first, second, error, *rest = result.stdout.splitlines()
        assert (first, second) == ("5", "a b")
        assert error.startswith("DIVBYZERO ")
        assert rest[-1] == "6"
        assert result.returncode == 0


def test_quit_ends_the_commands_from_stdin(cli: list[str], calcd: Calcd) -> None:
    assert run(cli, calcd, stdin=b"ADD 2 3\nquit\nADD 4 5\n").stdout == "5\n"
    assert run(cli, calcd, "QUIT").stdout == "OK\n"


# The prompt -------------------------------------------------------------------------------------------


def test_the_prompt_answers(cli: list[str], calcd: Calcd) -> None:
    host, port = calcd.address
    with prompt(cli, calcd) as terminal:
        for line, shown in (
            ("add 2 3", "(integer) 5"),
            (f"add {BEYOND} 0", f'"{BEYOND}"'),
            ("div 1 0", "(error) DIVBYZERO "),
            ("hello 3", '1# "server" => "calcd"'),
            ("add 2 3", "(integer) 5"),
            ("multi", "OK"),
        ):
            terminal.expect(f"{host}:{port}> ")
            terminal.press(line + "\r")
            terminal.expect("\n")
            terminal.expect(shown)
        terminal.expect(f"{host}:{port}(TX)> ")
        terminal.press("add 1 1\r")
        terminal.expect("QUEUED")
        terminal.expect(f"{host}:{port}(TX)> ")
        terminal.press("exec\r")
        terminal.expect("1) (integer) 2")
        terminal.expect(f"{host}:{port}> ")
        terminal.press("quit\r")
        assert terminal.wait() == 0


def test_the_prompt_hints_at_operands(cli: list[str], calcd: Calcd) -> None:
    with prompt(cli, calcd, kind="xterm") as terminal:
        terminal.expect("> ")
        terminal.press("add ")
        terminal.expect(" [number ...]")
        terminal.press("2 3\r")
        terminal.expect("(integer) 5")
        terminal.expect("> ")
        terminal.press("\x04")
        assert terminal.wait() == 0


def test_the_prompt_explains_a_command(cli: list[str], calcd: Calcd) -> None:
    with prompt(cli, calcd) as terminal:
        terminal.expect("> ")
        terminal.press("help add\r")
        terminal.expect(HELP)
        for word in ("summary:", "since:", "group:"):
            terminal.expect(word)
        terminal.expect("> ")
        terminal.press("exit\r")
        assert terminal.wait() == 0
    assert HELP in run(cli, calcd, "help", "add").stdout


# A stream of commands ---------------------------------------------------------------------------------


def test_pipe_counts_replies_and_errors(cli: list[str], calcd: Calcd) -> None:
    stream = b"ADD 2 3\r\nDIV 1 0\r\n" + array("MUL", 6, 7) + b"NOSUCH\r\nPING"
    result = run(cli, calcd, "--pipe", stdin=stream)
    assert "errors: 2, replies: 5" in result.stdout
    assert result.returncode == 1


def test_pipe_of_nothing(cli: list[str], calcd: Calcd) -> None:
    result = run(cli, calcd, "--pipe")
    assert "errors: 0, replies: 0" in result.stdout
    assert result.returncode == 0


def test_pipe_of_many_and_of_any_bytes(cli: list[str], calcd: Calcd) -> None:
    stream = array("ECHO", bytes(range(256))) + array("ADD", 123456, 654321) * 50_000
    result = run(cli, calcd, "--pipe", stdin=stream)
    assert "errors: 0, replies: 50001" in result.stdout
    assert result.returncode == 0


# What it measures -------------------------------------------------------------------------------------


def test_stat_shows_figures(cli: list[str], calcd: Calcd) -> None:
    with prompt(cli, calcd, "--stat", "-i", "0.05") as terminal:
        shown = terminal.expect("connections") + terminal.expect("\n")
        clients = "0"
        while clients == "0":  # calcd tells INFO ten times a second
            line = terminal.expect("\n")
            shown += line
            keys, _memory, clients = line.split()[:3]
            assert keys == "0"
        terminal.press("\x03")
        terminal.wait()
    assert "922337203685477580" not in shown  # what stands for a field that INFO lacks
    assert "rror" not in shown


def test_latency_is_measured(cli: list[str], calcd: Calcd) -> None:
    result = run(cli, calcd, "--raw", "-i", "0.1", "--latency")
    fastest, slowest, average, samples = result.stdout.split()
    assert int(fastest) <= float(average) <= int(slowest) + 1
    assert int(samples) > 0
