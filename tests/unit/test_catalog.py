"""The journal's catalog: what journalctl -x explains."""

import re
from pathlib import Path

import pytest

from calcd.log import messages
from calcd.log.messages import Message
from calcd.supervisor.counts import connections

MESSAGES = {name: value for name, value in vars(messages).items() if isinstance(value, Message)}


@pytest.fixture(scope="module")
def entries(generated: Path) -> list[tuple[str, str]]:
    """The id and the text of each entry."""
    text = (generated / "calcd.catalog").read_text()
    return re.findall(r"(?ms)^-- ([0-9a-f]{32})\n(.*?)(?=^-- |\Z)", text)


def test_each_kind_of_message_has_one_entry_and_there_is_no_other(entries: list[tuple[str, str]]) -> None:
    assert [number for number, _ in entries] == [message.id for message in MESSAGES.values()]


@pytest.mark.parametrize("name", MESSAGES)
def test_an_entry_uses_only_fields_that_its_message_has(entries: list[tuple[str, str]], name: str) -> None:
    message, text = MESSAGES[name], dict(entries)[MESSAGES[name].id]
    fields = {f"CALCD_{field.upper()}" for field in re.findall(r"\{(\w+)\}", message.text)}
    assert set(re.findall("@([^@]*)@", text)) <= fields
    assert not set("{}") & set(text)


@pytest.mark.parametrize("name", MESSAGES)
def test_an_entry_says_what_happened_and_what_to_do(entries: list[tuple[str, str]], name: str) -> None:
    head, happened, to_do = dict(entries)[MESSAGES[name].id].rstrip().split("\n\n")
    assert re.search(r"(?m)^Subject: \S", head)
    assert happened.endswith((".", "@"))
    assert to_do.endswith(".")


def test_every_way_that_a_connection_ends_is_explained() -> None:
    meaning = messages.CONNECTION_ENDED.meaning
    explained = {word for line in re.findall(r"(?m)^- (.*?):", meaning) for word in line.split(", ")}
    assert explained == {word for ending in connections.ENDINGS.values() for word in ending.split(", ")}
