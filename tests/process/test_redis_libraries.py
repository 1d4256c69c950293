"""Libraries of other people's as clients of calcd: Debian's redis-py, and Perl's Redis.

tests/system/test_debians_redis_libraries.py runs these tests with those of both Debians and of PyPI."""

import subprocess
from collections.abc import Iterator
from typing import TextIO

import pytest
from support.daemon import TREE, Calcd
from support.processes import DEADLINE

PROGRAMS = TREE / "tests" / "support"


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calcd]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as calcd:
        yield calcd


@pytest.fixture
def python() -> list[str]:
    """The command of a Python that has redis-py."""
    return ["/usr/bin/python3"]


@pytest.fixture
def perl() -> list[str]:
    return ["/usr/bin/perl"]


def test_redis_py_finds_what_it_expects(python: list[str], calcd: Calcd) -> None:
    host, port = calcd.address
    # By standard input, because a root of another Debian does not show the tree.
    with (PROGRAMS / "redis_py.py").open() as program:
        said = run([*python, "-W", "error", "-", host, str(port)], program)
    assert " cases, each with redis-py " in said


def test_perls_redis_finds_what_it_expects(perl: list[str], calcd: Calcd) -> None:
    host, port = calcd.address
    with (PROGRAMS / "redis_client.pl").open() as program:
        assert run([*perl, "-", f"{host}:{port}"], program) == "done\n"


def run(command: list[str], program: TextIO) -> str:
    done = subprocess.run(
        command, stdin=program, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout
