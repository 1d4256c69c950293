"""An existing C client, which knows nothing of calcd, gets from it what its C server gave it."""

import itertools
import random
import subprocess
from pathlib import Path

import pytest
from support.c_programs import build
from support.c_server import CServer
from support.daemon import Calcd
from support.integers import INT_MAX, INT_MIN

EDGES = (INT_MIN, INT_MIN + 1, -65536, -7, -2, -1, 0, 1, 2, 7, 46341, 65536, INT_MAX - 1, INT_MAX)
DIV = 3


def ask(client: Path, port: int, lines: str) -> str:
    command = [str(client), "127.0.0.1", str(port)]
    return subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout


def test_every_answer_is_the_same(tmp_path: Path) -> None:
    client = build("client", tmp_path)
    any_int = random.Random(7070)
    operands = [
        *itertools.product(EDGES, EDGES),
        *((any_int.randint(INT_MIN, INT_MAX), any_int.randint(INT_MIN, INT_MAX)) for _ in range(1000)),
    ]
    lines = "".join(f"{oper} {a} {b}\n" for oper in range(4) for a, b in operands if oper != DIV or b != 0)
    (tmp_path / "calcd").mkdir()
    with CServer(tmp_path) as server, Calcd(tmp_path / "calcd") as calcd:
        expected = ask(client, server.port, lines)
        assert len(expected.splitlines()) == len(lines.splitlines())
        assert ask(client, calcd.address[1], lines) == expected


@pytest.mark.parametrize("line", ["4 0 0", "3 1 0", "5 1 1", "-1 0 0"])
def test_what_has_no_answer_ends_the_conversation_behind_the_earlier_answers(
    tmp_path: Path, line: str
) -> None:
    client = build("client", tmp_path)
    lines = f"0 20 22\n{line}\n"
    (tmp_path / "calcd").mkdir()
    with CServer(tmp_path) as server, Calcd(tmp_path / "calcd") as calcd:
        calcd.expected.append(r"connection 1 .*: (division by zero|unknown operation); requests: 1, .*")
        assert ask(client, calcd.address[1], lines) == ask(client, server.port, lines) == "42\nclosed\n"
