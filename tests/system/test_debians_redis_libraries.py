"""Libraries: redis-py of Debian 12, Debian 13 and PyPI, and Perl's Redis of both Debians."""

import pytest
from process.test_redis_libraries import *  # noqa: F403 - its tests are run here
from system.debian_clients import inside
from system.machine import SUITES, TREE

PYPI = "PyPI"
VENV = TREE / "build" / "venv"  # of ./check


@pytest.fixture(name="python", params=[*SUITES, PYPI])
def python_of_both(request: pytest.FixtureRequest) -> list[str]:
    return [str(VENV / "bin" / "python")] if request.param == PYPI else inside(request.param, "python3")


@pytest.fixture(name="perl", params=SUITES)
def perl_of_both(request: pytest.FixtureRequest) -> list[str]:
    return inside(request.param, "perl")
