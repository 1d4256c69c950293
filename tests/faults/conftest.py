"""Faults are made with strace(1), limits, and mounts and networks of their own, which only root may."""

import os
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _is_possible() -> None:
    if os.geteuid() != 0:
        pytest.fail("tests/faults takes root: run ./check, or make test for what does not")
    if shutil.which("strace") is None:
        pytest.fail("strace is missing: apt-get install strace, or run ./check")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where calcd keeps its files; what else a test needs is beside it, in tmp_path."""
    folder = tmp_path / "calcd"
    folder.mkdir()
    return folder
