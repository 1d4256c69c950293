"""An upgrade in place runs the new code by the interpreter that calcd was started by, with its flags and with
the libraries that it finds."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.daemon import Calcd
from support.installed import Installed


class Started(Calcd):
    """A calcd that is started by an interpreter with other flags."""

    python: Sequence[str] = (sys.executable, "-m", "calcd")

    def command(self, *options: str) -> list[str]:
        return [*self.python, *self._options, *options]


@pytest.fixture
def calcd(folder: Path, installed: Installed) -> Started:
    return Started(folder, tree=installed.tree)


@pytest.mark.parametrize(
    "flags",
    [
        ("-m", "calcd"),
        ("-X", "dev", "-W", "error", "-m", "calcd"),
        ("-Xdev", "-Werror", "-mcalcd"),
        ("-sm", "calcd"),
        ("-sX", "dev", "-m", "calcd"),
        ("--check-hash-based-pycs", "never", "-m", "calcd"),
        ("-s", "-c", "import sys; from calcd.launch.main import main; sys.exit(main())"),
    ],
    ids=" ".join,
)
def test_the_flags_stay(calcd: Started, flags: tuple[str, ...]) -> None:
    calcd.python = (sys.executable, *flags)
    with calcd:
        for _ in range(2):
            result = calcd.upgrade()
            assert (result.returncode, result.stderr) == (0, "")


def test_a_library_beside_calcd_is_found(calcd: Started, installed: Installed) -> None:
    """As pip install --target has it, with PYTHONPATH, which calcd gives to nobody."""
    with calcd:
        (installed.tree / "beside.py").touch()
        installed.change("launch/takeover.py", "import os\n", "import beside\nimport os\n")
        for _ in range(2):
            result = calcd.upgrade()
            assert (result.returncode, result.stderr) == (0, "")


def test_nobody_can_write_to_the_code(
    calcd: Started, installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """calcd's umask is 0: it makes no folders for bytecode that everybody could write to."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # who starts and who asks makes none
    with calcd:
        assert calcd.upgrade().returncode == 0
        assert list(installed.tree.rglob("__pycache__")) == []
