import os
import subprocess
import sys
from pathlib import Path

import pytest

# Their assertions explain themselves as those in the tests do.
pytest.register_assert_rewrite("support", "fuzz", "soak", "process")

from support.daemon import MODES, Calcd  # noqa: E402 - as rewritten
from support.installed import Installed  # noqa: E402
from system.machine import SUITES  # noqa: E402

TREE = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the manual pages, the completions and the message catalog."""
    folder = tmp_path_factory.mktemp("generated")
    command = [sys.executable, "-B", "-W", "error", "packaging/generate.py", str(folder)]
    subprocess.run(command, cwd=TREE, env={**os.environ, "PYTHONPATH": "."}, check=True)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where calcd keeps its files; what else a test needs is beside it, in tmp_path."""
    folder = tmp_path / "calcd"
    folder.mkdir()
    return folder


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """A copy of calcd in which a test installs other versions."""
    return Installed(tmp_path / "tree")


@pytest.fixture(params=MODES)
def every_mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that uses it is run with handlers of each kind."""
    monkeypatch.setattr(Calcd, "mode", MODES[request.param])


def pytest_itemcollected(item: pytest.Item) -> None:
    """Those on machines of a Debian go to the same process of pytest-xdist: what they prepare, they have in
    common."""
    if is_on_a_machine(item):
        suite = next((suite for suite in SUITES if suite in item.name), "")
        item.add_marker(pytest.mark.xdist_group(f"machines {suite}".strip()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those on machines come first: they take the longest. A test that is long is run in one mode."""

    def is_wanted(item: pytest.Item) -> bool:
        call = getattr(item, "callspec", None)
        is_as_shipped = call is None or not MODES[call.params.get("every_mode", "as shipped")]
        return is_as_shipped or item.get_closest_marker("long") is None

    wanted = [item for item in items if is_wanted(item)]
    items[:] = sorted(wanted, key=is_on_a_machine, reverse=True)


def is_on_a_machine(item: pytest.Item) -> bool:
    return item.path.parent.name in ("package", "system")
