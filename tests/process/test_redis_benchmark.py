"""redis-benchmark measures calcd, and has nothing to complain about. What it measures is of no interest here.

tests/system/test_debians_redis_benchmark.py runs these tests with those of both Debians."""

import re
import subprocess
from collections.abc import Iterator

import pytest
from support.daemon import Calcd
from support.processes import DEADLINE


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calcd]:
    calcd = Calcd(tmp_path_factory.mktemp("calcd"))
    calcd.config.write_text("[calcd]\nLogConnections=errors\n")
    with calcd:
        yield calcd
    assert not [line for line in calcd.log() if line.startswith("connection")]


@pytest.fixture(scope="module")
def benchmark() -> list[str]:
    """The command of redis-benchmark."""
    return ["/usr/bin/redis-benchmark"]


def run(benchmark: list[str], calcd: Calcd, arguments: str) -> subprocess.CompletedProcess[str]:
    host, port = calcd.address
    command = [*benchmark, "-h", host, "-p", str(port), *arguments.split()]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        "-t ping_inline,ping_mbulk -n 2000",
        "-t ping_inline,ping_mbulk -n 2000 -P 16",
        "-n 2000 -r 1000 -P 16 -c 10 ADD __rand_int__ 3",
        "-n 2000 -c 10 -3 MUL 6 7",
        "-n 2000 -c 10 --threads 2 -P 4 SUB 2 3",
        "-n 1000 -c 10 --dbnum 0 ADD 9223372036854775807 1",
    ],
)
def test_it_measures_without_a_warning(benchmark: list[str], calcd: Calcd, arguments: str) -> None:
    result = run(benchmark, calcd, f"-q {arguments}")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.search(r": [\d.]+ requests per second", result.stdout)
    assert not re.search("warning|error", result.stdout, re.IGNORECASE)


def test_it_measures_with_a_connection_for_each_command(benchmark: list[str], calcd: Calcd) -> None:
    result = run(benchmark, calcd, "-q -n 100 -c 10 -k 0 ADD 2 3")
    assert result.returncode == 0
    assert re.search(r": [\d.]+ requests per second", result.stdout)
    assert "CONFIG" not in result.stderr  # it warns of the many connections


def test_it_knows_the_settings_that_it_shows(benchmark: list[str], calcd: Calcd) -> None:
    shown = run(benchmark, calcd, "-n 100 ADD 2 3").stdout
    assert 'host configuration "save": \n' in shown
    assert 'host configuration "appendonly": no\n' in shown


def test_it_ends_at_the_first_error(benchmark: list[str], calcd: Calcd) -> None:
    result = run(benchmark, calcd, "-q -n 100 DIV 1 0")
    assert result.returncode == 1
    assert "Error from server: DIVBYZERO " in result.stdout + result.stderr
