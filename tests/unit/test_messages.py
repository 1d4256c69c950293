"""No message is there for nothing, and each gets the fields that its text has."""

import ast
import re
from pathlib import Path

import pytest

import calcd
from calcd.log import messages
from calcd.log.messages import Message

MESSAGES = {name: value for name, value in vars(messages).items() if isinstance(value, Message)}
NODES = [
    node
    for path in sorted(Path(calcd.__file__).parent.rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_bytes()))
]


def message_of(node: ast.AST) -> str | None:
    """SPARE_DIED for messages.SPARE_DIED."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "messages":
        return node.attr
    return None


# The fields of each call like log.write(messages.SPARE_DIED, handler=1, status=2). Not those that are given
# another way: **fields, or a message that a variable has.
CALLS = [
    (name, {str(keyword.arg) for keyword in node.keywords})
    for node in NODES
    if isinstance(node, ast.Call) and node.args and (name := message_of(node.args[0])) in MESSAGES
    if all(keyword.arg for keyword in node.keywords)
]


@pytest.mark.parametrize("name", MESSAGES)
def test_somebody_logs_it(name: str) -> None:
    assert name in set(map(message_of, NODES))


@pytest.mark.parametrize(("name", "given"), CALLS, ids=[name for name, _ in CALLS])
def test_who_logs_it_gives_the_fields_of_its_text(name: str, given: set[str]) -> None:
    assert set(re.findall(r"\{(\w+)\}", MESSAGES[name].text)) <= given


@pytest.mark.parametrize("name", MESSAGES)
def test_its_text_is_true_without_systemd_too(name: str) -> None:
    """The explanations are for the journal, which is systemd's."""
    assert not re.search(r"systemctl|TasksMax=|LimitN\w+=|the unit\b", MESSAGES[name].text)


def test_such_calls_are_found() -> None:
    assert len(CALLS) > 10
