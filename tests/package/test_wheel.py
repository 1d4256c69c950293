"""pip install, into virtual environments without a network."""

import json
import re

import pytest
from package.workshop import copy
from system.machine import TREE, Machine

from calcd.supervisor.failure import ExitStatus

ALONE, WITH_DAEMON = "/home/wheel-alone", "/home/wheel-daemon"
OPTIONS = "--disable-pip-version-check --quiet --no-index"
PROGRAMS = {"calcd": "calcd.launch.main:main", "calc-client": "calcd.client.program.main:main"}
METADATA = """
import importlib.metadata as m, json
d = m.distribution("calcd")
print(json.dumps({"files": [str(f) for f in d.files], "metadata": d.metadata.json,
                  "programs": {e.name: e.value for e in d.entry_points}}))
"""


@pytest.fixture(scope="module")
def wheel(workshop: Machine) -> str:
    """The path of the wheel, made with the setuptools of the system."""
    tree = copy(workshop, "wheel")
    workshop.run(f"python3 -m venv --system-site-packages {WITH_DAEMON}")
    pip = f"{WITH_DAEMON}/bin/pip wheel {OPTIONS} --no-build-isolation --no-deps"
    workshop.run(f"cd {tree} && {pip} --wheel-dir dist .")
    return workshop.output(f"ls {tree}/dist/*.whl")


@pytest.fixture(scope="module")
def alone(workshop: Machine, wheel: str) -> Machine:
    """Where ALONE has what pip install calcd brings, and sees nothing else."""
    workshop.run(f"python3 -m venv {ALONE} && {ALONE}/bin/pip install {OPTIONS} {wheel}")
    return workshop


@pytest.fixture(scope="module")
def with_daemon(workshop: Machine, wheel: str) -> Machine:
    """Where WITH_DAEMON has what pip install 'calcd[daemon]' brings, the rest being the system's."""
    workshop.run(f"{WITH_DAEMON}/bin/pip install {OPTIONS} '{wheel}[daemon]'")
    return workshop


def test_it_is_pure_python(wheel: str) -> None:
    assert wheel.endswith("-py3-none-any.whl")


def test_without_the_extra_it_asks_and_the_daemon_says_that_it_needs_the_extra(
    alone: Machine, with_daemon: Machine
) -> None:
    refused = alone.run(f"{ALONE}/bin/calcd", check=False)
    assert refused.returncode == ExitStatus.OS_ERROR
    assert refused.stderr == (
        f"calcd: {ALONE}/bin/python3 cannot import daemon and systemd: "
        f"{ALONE}/bin/pip install 'calcd[daemon]'\n"
    )
    where = "--listen unix:/run/wheel.socket --pidfile /run/wheel.pid"
    with_daemon.run(f"{WITH_DAEMON}/bin/calcd {where}")
    for venv in (ALONE, WITH_DAEMON):
        ask = f"cd / && {venv}/bin/calc-client --server unix:/run/wheel.socket add 2 3"
        assert alone.output(ask) == "5"
    with_daemon.run("kill $(cat /run/wheel.pid)")
    with_daemon.wait_for("! test -e /run/wheel.pid")


def test_it_holds_every_module_and_all_that_is_to_be_said_about_it(alone: Machine) -> None:
    found = json.loads(alone.run(f"cd / && {ALONE}/bin/python3 -", stdin=METADATA).stdout)
    modules = {str(path.relative_to(TREE)) for path in (TREE / "calcd").rglob("*.py")}
    assert {name for name in found["files"] if name.startswith("calcd/") and name.endswith(".py")} == modules
    assert "calcd/py.typed" in found["files"]
    assert any(name.endswith("LICENSE") for name in found["files"])
    assert found["programs"] == PROGRAMS
    metadata = found["metadata"]
    assert metadata["license"] == "MIT"
    assert metadata["requires_python"] == ">=3.11"
    requirements = [re.sub("[ ()'\"]", "", requirement) for requirement in metadata["requires_dist"]]
    extra = "extra==daemon"
    assert sorted(requirements) == [f"python-daemon>=2.3.2;{extra}", f"systemd-python>=235;{extra}"]
    assert {entry.split(",")[0] for entry in metadata["project_url"]} == {"Homepage", "Repository"}
    assert "License :: OSI Approved :: MIT License" in metadata["classifier"]
    assert metadata["description"].startswith("# calcd")
    assert metadata["summary"] and metadata["keywords"]
