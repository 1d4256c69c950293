"""The manual pages as man shows them, and their examples as they are typed."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support import calc_client
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


def blocks(page: Path, section: str = "EXAMPLES", following: str = "SEE ALSO") -> list[str]:
    """What stands further to the right than the sentences of the section, less its indentation."""
    examples = shown(page).partition(f"\n{section}\n")[2].partition(f"\n{following}\n")[0]
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


def program(page: Path, first: str, behind: str) -> str:
    """A program that the page shows, from its first line to the sentence behind it."""
    found = re.search(rf"(?ms)^( +){re.escape(first)}.*?(?=^\1{re.escape(behind)})", shown(page))
    assert found
    return textwrap.dedent(found[0])


def dialogue(page: Path, first: str) -> list[tuple[str, str]]:
    """What is typed in the block that begins so, and what is printed each time."""
    (block,) = [block for block in blocks(page) if block.startswith(f"$ {first}")]
    return re.findall(r"(?m)^\$ (.*)\n((?:(?!\$ ).*\n)*)", block)


def type_in(command: str, calcd: Calcd, folder: Path) -> str:
    """What the command prints, also if it fails, when it asks this calcd."""
    command = command.replace("7070", str(calcd.address[1]))
    return subprocess.run(
        f"({command}) 2>&1", shell=True, cwd=folder, stdout=subprocess.PIPE, text=True, check=False
    ).stdout


STRICT = "cc -std=c11 -Wall -Wextra -Werror"


def test_the_c_client_of_the_page_is_answered_as_the_page_says(
    generated: Path, tmp_path: Path, folder: Path
) -> None:
    page = generated / "man" / "calcd-protocol.7"
    (tmp_path / "calc.c").write_text(program(page, "/* calc HOST", "Build this client"))
    (build, _), (run, said) = dialogue(page, "cc -o calc")
    subprocess.run(build.replace("cc", STRICT, 1), shell=True, cwd=tmp_path, check=True)
    with Calcd(folder) as calcd:
        assert type_in(run, calcd, tmp_path) == said == "42\n-1\n"
        calcd.wait_for_log(
            "connection 1 .* quit; requests: 2, errors: 0, bytes in: 36, bytes out: 8, protocol: classic, .*"
        )
        calcd.expected.append("connection 2 .* division by zero; .*")
        command = f"./calc 127.0.0.1 {calcd.address[1]} 3 -7 2 1 0 4 2"
        asked = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (asked.stdout, asked.stderr) == ("-3\n", "calc: closed without an answer\n")
        calcd.wait_for_log("connection 2 .* division by zero; requests: 1, .*")


def test_the_c_client_of_resp_prints_what_the_page_says(
    generated: Path, tmp_path: Path, folder: Path
) -> None:
    page = generated / "man" / "calcd-protocol.7"
    (tmp_path / "ask.c").write_text(program(page, "/* ask HOST", "Build it as"))
    (build, _), *runs = dialogue(page, "cc -o ask")
    subprocess.run(build.replace("cc", STRICT, 1), shell=True, cwd=tmp_path, check=True)
    with Calcd(folder) as calcd:
        assert len(runs) > 2
        for run, said in runs:
            assert type_in(run, calcd, tmp_path) == said
        # Beyond the page: an array, nothing at all, and a calcd that closes without a reply.
        ask = f"./ask 127.0.0.1 {calcd.address[1]}"
        assert type_in(f"{ask} HELP ADD", calcd, tmp_path).startswith("ADD number number")
        assert type_in(f"{ask} CLIENT GETNAME", calcd, tmp_path) == "(nil)\n"
        calcd.expected.append(r"connection \d+ .* does not speak calcd's protocols, .*")
        assert type_in(f"{ask} POST /", calcd, tmp_path) == "ask: closed without an answer\n"


def test_the_python_client_of_resp_prints_what_the_page_says(
    generated: Path, tmp_path: Path, folder: Path
) -> None:
    page = generated / "man" / "calcd-protocol.7"
    (tmp_path / "sums.py").write_text(program(page, '"""sums.py HOST', "It prints"))
    ((run, said),) = dialogue(page, "python3 sums.py")
    with Calcd(folder) as calcd:
        assert type_in(run.replace("python3", sys.executable), calcd, tmp_path) == said
        calcd.wait_for_log("connection 1 .* requests: 3, .* error replies: 1 DIVBYZERO")


def test_redis_py_answers_what_the_page_says(generated: Path, tmp_path: Path, folder: Path) -> None:
    (lines,) = [block for block in blocks(generated / "man" / "calcd-protocol.7") if block.startswith(">>>")]
    with Calcd(folder) as calcd:
        (tmp_path / "lines").write_text(lines.replace("7070", str(calcd.address[1])))
        assert type_in("/usr/bin/python3 -m doctest -v lines", calcd, tmp_path).endswith("Test passed.\n")


def test_the_shells_commands_print_what_the_page_says(generated: Path, tmp_path: Path, folder: Path) -> None:
    runs = dialogue(generated / "man" / "calcd-protocol.7", "redis-cli")
    assert len(runs) > 1
    with Calcd(folder) as calcd:
        for run, said in runs:
            assert type_in(run, calcd, tmp_path) == said


def test_the_bytes_of_the_page_are_those_of_the_protocol(generated: Path, tmp_path: Path) -> None:
    (wire,) = [
        block for block in blocks(generated / "man" / "calcd-protocol.7") if re.match("[0-9a-f ]+\n", block)
    ]
    request, reply = map(bytes.fromhex, wire.split("\n")[:2])
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        connection.sendall(request)
        assert connection.recv(100) == reply


def test_the_examples_of_calc_client_print_what_the_page_says(generated: Path, tmp_path: Path) -> None:
    path = f"{calc_client.program(tmp_path).parent}:{os.environ['PATH']}"
    folder = tmp_path / "calcd"
    folder.mkdir()
    with Calcd(folder) as calcd:
        server = "{}:{}".format(*calcd.address)
        environment = {**os.environ, "PATH": path, "CALCD_SERVER": server}
        page = generated / "man" / "calc-client.1"
        (first,) = blocks(page, "DESCRIPTION", "OPTIONS")
        dialogues = [first, *blocks(page)]
        assert len(dialogues) > 3
        for dialogue in dialogues:
            here = dialogue.replace("calc.example.org:7070", server)
            commands = "".join(f"{line[2:]}\n" for line in here.splitlines() if line.startswith("$ "))
            said = "".join(f"{line}\n" for line in here.splitlines() if not line.startswith("$ "))
            asked = subprocess.run(
                ["bash", "-c", commands], env=environment, capture_output=True, text=True, check=True
            )
            assert asked.stdout.strip() == said.strip()
