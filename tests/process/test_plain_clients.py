"""What needs no client of Redis at all: nc, telnet, socat and bash speak to calcd by lines."""

import os
import subprocess
from collections.abc import Iterator

import pytest
from support.daemon import Calcd
from support.processes import DEADLINE
from support.terminal import Terminal


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calcd]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as calcd:
        yield calcd


def said(calcd: Calcd, command: str) -> str:
    """What a command of bash prints that has the address in $host and $port."""
    host, port = calcd.address
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        env={"PATH": os.environ["PATH"], "host": host, "port": str(port)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    ).stdout


@pytest.mark.parametrize(
    "command",
    [
        r"printf 'ADD 2 3\nMUL 6 7\n' | nc -N $host $port",
        r"printf 'ADD 2 3\nMUL 6 7\n' | nc -C -N $host $port",
        r"printf 'ADD 2 3\r\nMUL 6 7\r\n' | socat - TCP:$host:$port",
    ],
)
def test_lines_are_answered_by_lines(calcd: Calcd, command: str) -> None:
    assert said(calcd, command).splitlines() == [":5", ":42"]


def test_nc_ends_by_itself_behind_quit(calcd: Calcd) -> None:
    assert said(calcd, r"printf 'ADD 2 3\nQUIT\n' | nc $host $port").splitlines() == [":5", "+OK"]


def test_bash_needs_no_program_but_itself(calcd: Calcd) -> None:
    command = r"exec 3<>/dev/tcp/$host/$port; echo ADD 2 3 >&3; read -r -u 3 answer; echo $answer"
    assert said(calcd, command).split() == [":5"]


def test_a_last_line_without_its_end_is_not_answered_but_told_of_in_the_log(calcd: Calcd) -> None:
    truncated = r"connection \d+ from \S+ ended after [\d.]+ s: truncated frame; requests: 1, .*"
    calcd.expected.append(truncated)
    assert said(calcd, r"printf 'PING\nADD 2 3' | nc -N $host $port").splitlines() == ["+PONG"]
    calcd.wait_for_log(truncated)


def test_people_type_into_telnet(calcd: Calcd) -> None:
    host, port = calcd.address
    with Terminal(["/usr/bin/telnet", host, str(port)], dict(os.environ), columns=100) as terminal:
        terminal.expect("Escape character is")
        for line, answer in (
            ("ADD 2 3", ":5\r\n"),
            ("div 1 0", "-DIVBYZERO "),
            ("ADD 9223372036854775807 1", "$19\r\n9223372036854775808\r\n"),
            ("nonsense", "-ERR unknown command 'nonsense'"),
            ("HELP", "ADD number number"),
            ("quit", "+OK\r\n"),
        ):
            terminal.press(line + "\r")
            terminal.expect(answer)
        terminal.expect("Connection closed by foreign host.")
        assert terminal.wait() in (0, 1)  # inetutils 2.4 and 2.6
