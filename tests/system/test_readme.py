"""The README, followed word by word."""

import re

import pytest
from support.readme import blocks
from system.machine import COPY, COPY_TREE, Machine

# Not here: it is what runs this test; and the packages have tests of their own.
ELSEWHERE = ["./check", *"".join(blocks("sh", "Install it")[:2]).splitlines()]


@pytest.fixture(scope="module")
def tree(machine: Machine) -> str:
    machine.run(COPY_TREE)
    return f"cd {COPY} && "


def test_its_first_command_starts_calcd_and_gets_an_answer(machine: Machine, tree: str) -> None:
    first, *_ = blocks("sh")
    said = machine.output(tree + first)
    assert re.search(r"^ *5$", said, re.MULTILINE)
    stop = re.search(r"^Stop: +(.*)$", said, re.MULTILINE)
    assert stop
    machine.run(stop[1])
    machine.wait_for("! pgrep -x calcd")


def test_its_other_commands_work_and_its_python_does(machine: Machine, tree: str) -> None:
    commands = [line for block in blocks("sh")[1:] for line in block.splitlines() if line not in ELSEWHERE]
    said = {command: machine.output(tree + command) for command in commands}
    assert len(said) > 10
    assert said["calc-client add 2 3"] == "5"
    assert said["redis-cli -p 7070 ADD 2 3"] == "5"
    assert said["redis-cli -p 7070 MUL 99999999999 99999999999"] == "9999999999800000000001"
    (to_nc,) = (command for command in commands if command.endswith(" | nc 127.0.0.1 7070"))
    assert said[to_nc].split("\n") == [":-1", "-DIVBYZERO division by zero", "+OK"]
    assert said["calc-client 7 x 6"] == "42"
    assert said["calc-client '2 * (3 + 4) - -5'"] == "19"
    assert said["printf '%s\\n' '1 + 1' 'mul 3, 4' | calc-client"] == "2\n12"
    (program,) = blocks("python")
    answer = machine.run("PYTHONPATH=/usr/local/lib/calcd python3 -", stdin=program)
    assert answer.stdout == "5\n"
    machine.run(f"make -C {COPY} uninstall")
