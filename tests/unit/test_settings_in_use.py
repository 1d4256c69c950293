"""No setting is there for nothing: somebody outside of the table goes by each."""

import ast
from pathlib import Path

import pytest

import calcd
from calcd.settings.limits import Limits
from calcd.settings.table import ROWS

PACKAGE = Path(calcd.__file__).parent
# Who has the settings, and who has a listener's limits.
OF_SETTINGS = ("launch", "supervisor")
OF_LIMITS = ("listener", "handler")


def attributes(*folders: str) -> set[str]:
    """What is read of any object in the folders' modules."""
    return {
        node.attr
        for folder in folders
        for path in (PACKAGE / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


@pytest.mark.parametrize("name", [name for name in ROWS if name not in Limits.NAMES])
def test_the_supervisor_goes_by_a_setting(name: str) -> None:
    assert name in attributes(*OF_SETTINGS)


@pytest.mark.parametrize("name", Limits.NAMES)
def test_the_listener_or_a_handler_goes_by_a_limit(name: str) -> None:
    assert name in ROWS
    assert name in attributes(*OF_LIMITS)
