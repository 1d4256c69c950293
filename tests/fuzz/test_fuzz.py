"""A few seconds of make fuzz."""

import shutil
from pathlib import Path

import pytest
from fuzz.run import run, run_daemon
from support.daemon import TREE

SHORT = "-max_total_time=2"


@pytest.mark.parametrize("target", ["decoder", "header", "dialogue", "session", "reports"])
def test_the_fuzzer_finds_nothing(tmp_path: Path, target: str) -> None:
    result = run(target, SHORT, tmp_path / "found")
    assert result.counts["inputs"]


def test_the_fuzzer_finds_nothing_in_the_running_daemon(tmp_path: Path) -> None:
    folder = tmp_path / "calcd"
    folder.mkdir()
    result = run_daemon(SHORT, tmp_path / "found", folder)
    assert result.counts["streams"]


def test_the_fuzzer_finds_a_division_that_rounds_as_pythons_does(tmp_path: Path) -> None:
    shutil.copytree(TREE / "calcd", tmp_path / "calcd", ignore=shutil.ignore_patterns("__pycache__"))
    answers = tmp_path / "calcd/protocol/calculator.py"
    answers.write_text(answers.read_text().replace("int(a / b)", "a // b"))
    with pytest.raises(AssertionError, match="Uncaught Python exception"):
        run("decoder", SHORT, tmp_path / "found", tree=tmp_path)
