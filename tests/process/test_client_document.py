"""docs/client.md: calc-client and redis-cli answer what the table says."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support import calc_client
from support.daemon import TREE, Calcd
from support.processes import DEADLINE
from support.terminal import Terminal

SECTION = (
    (TREE / "docs" / "client.md")
    .read_text()
    .partition("## Beside bc, qalc and redis-cli\n")[2]
    .partition("\n## ")[0]
)
SHORT = 30  # digits


class Row(NamedTuple):
    input: str
    bc: str
    qalc: str
    redis_cli: str
    calc_client: str


ROWS = [
    Row(*line.strip("| ").split(" | ")) for line in SECTION.splitlines() if re.match(r"\| (`|an empty)", line)
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as running:
        yield running.address


def in_full(text: str, row: Row) -> str:
    """The text with what the document shortens: numbers, parentheses, and blanks that look like others."""
    count = re.search(r"with ([\d,]+) (?:digits|parentheses)", row.input)
    if count:
        times = int(count[1].replace(",", ""))
        text = text.replace("99…99", "9" * times)
        text = text.replace("((…1…))", "(" * (times // 2) + "1" + ")" * (times // 2))
    return text.replace(" ", "\u00a0") if "no-break spaces" in row.input else text


def shortened(number: str) -> str:
    return f"{number[:2]}…{number[-2:]}" if len(number) > SHORT and number.isdecimal() else number


def in_words(ended: subprocess.CompletedProcess[str], text: str) -> str:
    """The outcome of an input, as the table has it: a column where the whole input is shown."""
    if not ended.stderr:
        output = ended.stdout.removesuffix("\n")
        digits = f", {len(output):,} digits" if shortened(output) != output else ""
        return f"`{shortened(output)}`{digits}" if output else "an empty line"
    assert ended.stdout == ""
    message, *pointer = ended.stderr.removeprefix("calc-client: ").splitlines()
    shows_all = pointer and pointer[0] == f"    {text}"
    column = f", column {len(pointer[1]) - len('    ^') + 1}" if shows_all else ""
    return f"`{message}`{column}; status {ended.returncode}"


def at_the_prompt(address: str, lines: list[str], state: Path) -> str:
    answers = []
    environment = calc_client.environment(XDG_STATE_HOME=str(state))
    with Terminal([*calc_client.COMMAND, "--server", address], environment) as terminal:
        for line in lines:
            terminal.expect("calc> ")
            terminal.press(line + "\r")
            terminal.expect("\n")
            answers.append(terminal.expect("\n").strip())
    return ", ".join(f"`{answer}`" for answer in answers)


def test_there_are_thirty_inputs_each_once() -> None:
    assert len({row.input for row in ROWS}) == len(ROWS) == 30


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.input)
def test_calc_client_prints_what_its_column_says(row: Row, server: tuple[str, int], tmp_path: Path) -> None:
    address = "{}:{}".format(*server)
    inputs = [in_full(text, row) for text in re.findall("`([^`]+)`", row.input)]
    if row.input.endswith("at the prompt"):
        printed = at_the_prompt(address, inputs, tmp_path)
    elif "line" in row.input:
        printed = in_words(calc_client.run("--server", address, lines="".join(inputs) + "\n"), "")
    else:
        printed = in_words(calc_client.run("--server", address, *inputs), inputs[0])
    assert printed == row.calc_client


ASKED = [(row, re.findall("`([^`]+)`: `([^`]+)`", row.redis_cli)) for row in ROWS]


@pytest.mark.parametrize(("row", "pairs"), [(row, pairs) for row, pairs in ASKED if pairs])
def test_redis_cli_gets_the_replies_of_its_column(
    row: Row, pairs: list[tuple[str, str]], server: tuple[str, int]
) -> None:
    for command, reply in pairs:
        words = [in_full(word, row) for word in command.split()]
        ended = subprocess.run(
            ["redis-cli", "-h", server[0], "-p", str(server[1]), *words],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=True,
        )
        assert shortened(ended.stdout.strip()) == reply
