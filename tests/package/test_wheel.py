"""pip install ., into a virtual environment."""

import json
import re

import pytest
from package.workshop import copy
from system.machine import TREE, Machine

VENV = "/home/wheel-venv"
# Without a network: setuptools, and the two packages that calcd needs, are those of the system.
PIP = f"{VENV}/bin/pip --disable-pip-version-check"
PROGRAMS = {"calcd": "calcd.launch.main:main", "calc-client": "calcd.client.program.main:main"}
METADATA = """
import importlib.metadata as m, json
d = m.distribution("calcd")
print(json.dumps({"files": [str(f) for f in d.files], "metadata": d.metadata.json,
                  "programs": {e.name: e.value for e in d.entry_points}}))
"""


@pytest.fixture(scope="module")
def installed(workshop: Machine) -> Machine:
    tree = copy(workshop, "wheel")
    workshop.run(f"python3 -m venv --system-site-packages {VENV}")
    workshop.run(f"{PIP} install --quiet --no-index --no-build-isolation {tree}")
    return workshop


def test_its_programs_serve_and_ask(installed: Machine) -> None:
    where = "--listen unix:/run/wheel.socket --pidfile /run/wheel.pid"
    installed.run(f"{VENV}/bin/calcd {where}")
    assert installed.output(f"cd / && {VENV}/bin/calc-client --server unix:/run/wheel.socket add 2 3") == "5"
    installed.run("kill $(cat /run/wheel.pid)")
    installed.wait_for("! test -e /run/wheel.pid")


def test_it_holds_every_module_and_all_that_is_to_be_said_about_it(installed: Machine) -> None:
    found = json.loads(installed.run(f"cd / && {VENV}/bin/python3 -", stdin=METADATA).stdout)
    modules = {str(path.relative_to(TREE)) for path in (TREE / "calcd").rglob("*.py")}
    assert {name for name in found["files"] if name.startswith("calcd/") and name.endswith(".py")} == modules
    assert "calcd/py.typed" in found["files"]
    assert any(name.endswith("LICENSE") for name in found["files"])
    assert found["programs"] == PROGRAMS
    metadata = found["metadata"]
    assert metadata["license"] == "MIT"
    assert metadata["requires_python"] == ">=3.11"
    requirements = [re.sub("[ ()]", "", requirement) for requirement in metadata["requires_dist"]]
    assert sorted(requirements) == ["python-daemon>=2.3.2", "systemd-python>=235"]
    assert {entry.split(",")[0] for entry in metadata["project_url"]} == {"Homepage", "Repository"}
    assert "License :: OSI Approved :: MIT License" in metadata["classifier"]
    assert metadata["description"].startswith("# calcd")
    assert metadata["summary"] and metadata["keywords"]
