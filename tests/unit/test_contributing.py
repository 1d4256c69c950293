"""CONTRIBUTING.md: what it names exists, and what it tells to type can be typed."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import calcd

TREE = Path(__file__).parents[2]
TEXT = (TREE / "CONTRIBUTING.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
# What stands between backquotes within the text, also where a line ends in it.
WORDS = [
    " ".join(words.split()) for words in re.findall(r"`([^`]+)`", re.sub(r"(?ms)^```.*?^```$", "", TEXT))
]
LINKS = re.findall(r"\]\(([^)]+)\)", TEXT)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()] + [
    words for words in WORDS if words.startswith(("make ", "./", "/usr/bin/python3 "))
]

FOLDERS = ("calcd/", "docs/", "packaging/", "tests/")
FILE = re.compile(r"[\w./-]+\.(py|in|md|c|txt)|Makefile|README\.md|check")
PATHS = sorted(
    {word.partition("::")[0] for word in WORDS if word.startswith(FOLDERS) or FILE.fullmatch(word)} | {*LINKS}
)
TESTS = sorted({word for word in WORDS if "::" in word})
TARGETS = sorted({target for command in COMMANDS for target in re.findall(r"\bmake ([a-z-]+)", command)})
PYTEST = sorted({command for command in COMMANDS if " -m pytest " in command})
SELECTIONS = sorted({command for command in COMMANDS if command.startswith("./check -k ")})


def place(path: str) -> Path:
    """The package may be one that is installed, with the tests beside it in a tree that has no other."""
    return (Path(calcd.__file__).parents[1] if path.startswith("calcd/") else TREE) / path


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_bytes()).body if isinstance(node, ast.FunctionDef)}


def test_it_is_read_as_it_is_written() -> None:
    assert len(PATHS) > 40
    assert len(TESTS) > 10
    assert len(TARGETS) > 5
    assert PYTEST
    assert SELECTIONS


@pytest.mark.parametrize("path", PATHS)
def test_a_file_that_it_names_exists(path: str) -> None:
    assert place(path).exists()


@pytest.mark.parametrize("test", TESTS)
def test_a_test_that_it_names_exists(test: str) -> None:
    path, name = test.split("::")
    assert name in functions(place(path))


@pytest.mark.parametrize(
    "name", sorted({word for word in WORDS if re.fullmatch("_?[A-Za-z]+(_[A-Za-z]+)+", word)})
)
def test_a_name_of_the_code_that_it_uses_is_in_a_file_that_it_names(name: str) -> None:
    files = [place(path) for path in PATHS if path.endswith(".py")]
    assert any(re.search(rf"\b{name}\b", file.read_text()) for file in files)


@pytest.mark.parametrize("target", TARGETS)
def test_make_has_a_target_that_it_names(target: str) -> None:
    assert re.search(rf"^{target}:", (TREE / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one_of_those_that_are_checked_here(command: str) -> None:
    make = r"(PATH=\S+ )?make [a-z-]+( [A-Z]+=\S+)?"
    assert re.fullmatch(
        rf"{make}|\./check( -k \w+)?|/usr/bin/python3 -W error -m pytest \S+( -k \w+)?", command
    )


@pytest.mark.parametrize("command", PYTEST)
def test_a_command_finds_tests(command: str) -> None:
    _, *arguments = shlex.split(command)
    found = subprocess.run(
        [sys.executable, *arguments, "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=TREE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "::test_" in found.stdout


@pytest.mark.parametrize("command", SELECTIONS)
def test_a_selection_has_tests(command: str) -> None:
    word = command.rsplit(maxsplit=1)[-1]
    assert any(word in name for path in (TREE / "tests").rglob("test_*.py") for name in functions(path))


def test_it_tells_of_every_suite() -> None:
    suites = {path.parent.name for path in (TREE / "tests").glob("*/test_*.py")}
    assert suites <= set(re.findall(r"(?m)^\| `tests/(\w+)` \|", TEXT))


def test_every_file_of_tests_has_a_name_of_its_own() -> None:
    """pytest takes two of the same name for one."""
    names = [path.name for path in (TREE / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
