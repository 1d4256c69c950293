"""calcd(8) says what the program says."""

import re
from pathlib import Path

import pytest

from calcd import config
from calcd.supervisor import messages, options
from calcd.supervisor.failure import MEANINGS
from calcd.supervisor.messages import Message

PAGE = (Path(__file__).parents[2] / "packaging/man/calcd.8").read_text()
TEXT = PAGE.replace("\\-", "-").replace("Fl ", "-").replace(" Ns ", "")


def test_it_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.parse(["--help"])
    offered = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert len(offered) > 10
    assert set(re.findall(r"--[a-z-]+", TEXT)) == offered


def test_it_names_every_setting_and_its_default() -> None:
    for setting in config.SETTINGS.values():
        assert f"{setting.name}=" in TEXT
        assert setting.default in TEXT


def test_it_gives_every_exit_status() -> None:
    listed = re.findall(r"^\.It (\d+)\n(.*)$", TEXT, re.MULTILINE)
    assert dict(listed) == {str(int(status)): meaning for status, meaning in MEANINGS.items()}


def test_it_names_the_fields_of_a_connections_line() -> None:
    for field in re.findall(r"\{(\w+)\}", messages.CONNECTION_ENDED.text):
        assert f"CALCD_{field.upper()}=" in TEXT


def test_every_kind_of_message_has_an_id_of_its_own() -> None:
    kinds = [value for value in vars(messages).values() if isinstance(value, Message)]
    assert len({kind.id for kind in kinds}) == len(kinds) > 10
    assert all(re.fullmatch("[0-9a-f]{32}", kind.id) for kind in kinds)
