"""Faults are made with strace(1), limits, and mounts and networks of their own, which only root may."""

import os
import shutil

import pytest


@pytest.fixture(scope="session", autouse=True)
def _is_possible() -> None:
    if os.geteuid() != 0:
        pytest.fail("tests/faults takes root: run ./check, or make test for what does not")
    if shutil.which("strace") is None:
        pytest.fail("strace is missing: apt-get install strace, or run ./check")
