"""The manual pages as man shows them, and their examples as they are typed."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support.daemon import TREE, Calcd

PAGES = sorted(path.stem for path in (TREE / "packaging" / "man").glob("*.in"))


@pytest.fixture(params=PAGES)
def page(generated: Path, request: pytest.FixtureRequest) -> Path:
    return generated / "man" / str(request.param)


def shown(page: Path) -> str:
    """What a reader sees, and copies."""
    command = ["man", "-E", "UTF-8", "-l", str(page)]
    environment = {**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def blocks(page: Path) -> list[str]:
    """What stands further to the right than the sentences of the section EXAMPLES, less its indentation."""
    examples = shown(page).partition("\nEXAMPLES\n")[2].partition("\nSEE ALSO\n")[0]
    margin = re.match(" +", examples)  # another one in each version of groff
    assert margin
    deeper = rf"{margin[0]} +\S.*\n"
    return [textwrap.dedent(block) for block in re.findall(rf"(?m)^{deeper}(?:\n?{deeper})*", examples)]


def test_man_finds_no_fault_with_it(page: Path) -> None:
    command = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)]
    checked = subprocess.run(command, capture_output=True, text=True, check=True)
    assert checked.stderr == ""


def test_mandoc_finds_no_fault_with_it(page: Path) -> None:
    # Below a warning are questions of style, such as a line of the source that is long.
    command = ["mandoc", "-T", "lint", "-W", "warning", str(page)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.stdout, checked.stderr, checked.returncode) == ("", "", 0)


def test_its_line_in_whatis_is_found(page: Path) -> None:
    found = subprocess.run(["lexgrog", page], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(rf'{page}: "{page.stem} - .*"\n', found)


def test_no_line_is_wider_than_a_terminal(page: Path) -> None:
    assert max(map(len, shown(page).splitlines())) <= 80


def test_the_c_client_of_the_page_is_answered_as_the_page_says(generated: Path, tmp_path: Path) -> None:
    page = generated / "man" / "calcd-protocol.7"
    program = re.search(r"(?ms)^( +)/\* calc HOST.*^\1}\n", shown(page))
    assert program
    (tmp_path / "calc.c").write_text(textwrap.dedent(program[0]))
    (dialogue,) = [block for block in blocks(page) if block.startswith("$ cc ")]
    build, run, *answers = dialogue.split("\n")[:-1]
    strict = "-std=c11 -Wall -Wextra -Werror"
    subprocess.run(build.replace("$ cc", f"cc {strict}"), shell=True, cwd=tmp_path, check=True)
    folder = tmp_path / "calcd"
    folder.mkdir()
    with Calcd(folder) as calcd:
        command = run.removeprefix("$ ").replace(" 7070 ", f" {calcd.address[1]} ")
        asked = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert asked.stdout.split("\n")[:-1] == answers == ["42", "-1"]
        calcd.wait_for_log("connection 1 .* quit; requests: 2, errors: 0, bytes in: 36, bytes out: 8")
        calcd.expected.append("connection 2 .* division by zero; .*")
        command = f"./calc 127.0.0.1 {calcd.address[1]} 3 -7 2 1 0 4 2"
        asked = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (asked.stdout, asked.stderr) == ("-3\n", "calc: closed without an answer\n")
        calcd.wait_for_log("connection 2 .* division by zero; requests: 1, .*")


def test_the_bytes_of_the_page_are_those_of_the_protocol(generated: Path, tmp_path: Path) -> None:
    (wire,) = [
        block for block in blocks(generated / "man" / "calcd-protocol.7") if re.match("[0-9a-f ]+\n", block)
    ]
    request, reply = map(bytes.fromhex, wire.split("\n")[:2])
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        connection.sendall(request)
        assert connection.recv(100) == reply


def test_the_examples_of_calc_client_print_what_the_page_says(generated: Path, tmp_path: Path) -> None:
    program = tmp_path / "calc-client"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={TREE} exec {sys.executable} -m calcd.client "$@"\n')
    program.chmod(0o755)
    folder = tmp_path / "calcd"
    folder.mkdir()
    with Calcd(folder) as calcd:
        server = "{}:{}".format(*calcd.address)
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "CALCD_SERVER": server}
        dialogues = blocks(generated / "man" / "calc-client.1")
        assert len(dialogues) > 2
        for dialogue in dialogues:
            here = dialogue.replace("calc.example.org:7070", server)
            commands = "".join(f"{line[2:]}\n" for line in here.splitlines() if line.startswith("$ "))
            said = "".join(f"{line}\n" for line in here.splitlines() if not line.startswith("$ "))
            asked = subprocess.run(
                ["bash", "-c", commands], env=environment, capture_output=True, text=True, check=True
            )
            assert asked.stdout.strip() == said.strip()
