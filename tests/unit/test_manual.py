"""The manual pages say what the programs say."""

import argparse
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from calcd.client.errors import ClientError
from calcd.client.program import arguments as client
from calcd.client.program import conversation, exit_status, grammar
from calcd.launch import options
from calcd.log import messages
from calcd.log.messages import Message
from calcd.protocol import resp
from calcd.protocol.classic import Operation
from calcd.protocol.resp.commands import COMMANDS
from calcd.settings.table import ROWS
from calcd.supervisor import failure
from calcd.supervisor.counts import connections

PAGES = ("calc-client.1", "calcd.conf.5", "calcd-protocol.7", "calcd.8")


@pytest.fixture(params=PAGES)
def page(generated: Path, request: pytest.FixtureRequest) -> str:
    return read(generated, request.param)


def read(generated: Path, name: str) -> str:
    """The page's source, its escapes and what stands between words undone."""
    source = (generated / "man" / name).read_text()
    for escape, character in (("\\-", "-"), ("\\(aq", "'"), ("\\&", ""), (" Ns ", ""), ("Fl ", "-")):
        source = source.replace(escape, character)
    return source


def section(page: str, name: str) -> str:
    return page.partition(f"\n.Sh {name}\n")[2].partition("\n.Sh ")[0]


def flowing(text: str) -> str:
    """Without line breaks."""
    return " ".join(text.split())


def option_names(parser: argparse.ArgumentParser) -> set[str]:
    return set(re.findall(r"(?<![\w-])-[-a-z]+", parser.format_help()))


def test_there_are_no_other_pages(generated: Path) -> None:
    assert sorted(path.name for path in (generated / "man").iterdir()) == sorted(PAGES)


def test_everything_is_filled_in(page: str) -> None:
    assert not re.search("@[A-Z_]+@", page)


def test_calcds_names_every_option_and_no_other(generated: Path) -> None:
    page = read(generated, "calcd.8")
    offered = option_names(options.make_parser())
    assert len(offered) > 10
    calcds = re.sub("(?m)^(journalctl|systemctl) .*", "", page)  # which have options as well
    assert set(re.findall(r"(?<![\w-])--[a-z][-a-z]*", calcds)) == offered - {"-h"}
    assert re.findall(r"(?m)^\.It (?:-h , )?(--[-a-z]+)", section(page, "OPTIONS")) == [
        action.option_strings[-1] for action in options.make_parser()._actions
    ]


def test_calc_clients_names_every_option_and_no_other(generated: Path) -> None:
    page = read(generated, "calc-client.1")
    offered = {name for option in client.OPTIONS for name in option.names}
    assert set(re.findall(r"(?<![\w-])--[a-z][-a-z]*", page)) == {n for n in offered if n.startswith("--")}
    for option in client.OPTIONS:
        value = f" Ar {option.metavar}" if option.metavar else ""
        assert f".It {' , '.join(option.names)}{value}\n" in section(page, "OPTIONS")
        assert option.help in flowing(section(page, "OPTIONS"))


def test_it_tells_of_every_setting_all_that_the_table_does(generated: Path) -> None:
    settings = section(read(generated, "calcd.conf.5"), "SETTINGS")
    items = re.findall(r"(?ms)^\.It Cm (\w+)=\n(.*?)(?=^\.It|^\.El)", settings)
    assert [name for name, _ in items] == [setting.name for setting in ROWS.values()]
    for (_, text), setting in zip(items, ROWS.values(), strict=True):
        assert setting.help in flowing(text)
        assert f" Default: {setting.default or 'empty'}." in flowing(text)
        assert ("A reload puts" in text, "needs a restart" in text) == (
            setting.reloadable,
            not setting.reloadable,
        )
        assert setting.option is None or f"Option: {setting.option}." in text


def test_it_explains_every_kind_of_value_that_a_setting_has(generated: Path) -> None:
    page = read(generated, "calcd.conf.5")
    used = re.findall(r"(?m)^Value: (.*)\.$", section(page, "SETTINGS"))
    assert len(used) == len(ROWS)
    assert set(re.findall(r"(?m)^\.It (.*)$", section(page, "VALUES"))) == set(used)


@pytest.mark.parametrize(
    ("name", "statuses", "meanings"),
    [
        ("calcd.8", failure.ExitStatus, failure.MEANINGS),
        ("calc-client.1", exit_status.ExitStatus, exit_status.MEANINGS),
    ],
)
def test_it_gives_every_exit_status(
    generated: Path, name: str, statuses: Iterable[int], meanings: Mapping[int, str]
) -> None:
    listed = re.findall(r"^\.It (\d+)\n(.*)$", section(read(generated, name), "EXIT STATUS"), re.MULTILINE)
    assert dict(listed) == {str(int(status)): meanings[status] for status in statuses}


def test_every_error_of_the_client_has_a_status() -> None:
    assert set(exit_status._OF_ERRORS) == set(ClientError.__subclasses__())


def test_it_tells_of_every_operation(generated: Path) -> None:
    about = section(read(generated, "calcd-protocol.7"), "CLASSIC PROTOCOL")
    numbers = re.findall(r"(?m)^\.It (\d+)$", about)
    assert numbers == [str(int(operation)) for operation in sorted(Operation)]
    synopsis = section(read(generated, "calc-client.1"), "SYNOPSIS")
    assert f".Cm {' | '.join(grammar.NAMES)}\n" in synopsis
    for name in grammar.NAMES:
        assert f"\n{name} " in f"\n{conversation.HELP}"


def test_it_tells_of_every_command(generated: Path) -> None:
    about = section(read(generated, "calcd-protocol.7"), "RESP")
    told = re.sub(r" (Ar|Cm|Oo|Oc)\b", "", "\n".join(re.findall(r"(?m)^\.It Cm (.*)$", about)))
    assert {line.split()[0] for line in told.splitlines()} == {name.decode().upper() for name in COMMANDS}
    for command in COMMANDS.values():
        for subcommand in command.subcommands.values():
            assert subcommand.name.upper().replace("|", " ") in told
            assert subcommand.summary in flowing(about)


def test_it_tells_of_every_word_that_an_error_begins_with(generated: Path) -> None:
    told = re.findall(r"(?m)^\.It Li ([A-Z]+)$", section(read(generated, "calcd-protocol.7"), "RESP"))
    sources = [module.read_text() for module in Path(resp.__file__).parent.glob("*.py")]
    raised = {word for source in sources for word in re.findall(r'Error\(\s*f?"([A-Z]+) ', source)}
    assert {"DIVBYZERO", "NOTINT", "ERR"} <= raised
    assert set(told) == raised


def test_it_names_the_fields_of_a_connections_line(generated: Path) -> None:
    for field in re.findall(r"\{(\w+)\}", messages.CONNECTION_ENDED.text):
        assert f"CALCD_{field.upper()}=" in read(generated, "calcd.8")


def test_it_names_every_way_that_a_connection_ends(generated: Path) -> None:
    endings = re.findall(r"(?m)^\.It\n(.*)", section(read(generated, "calcd.8"), "LOGGING"))
    assert endings == [*connections.ENDINGS.values(), *connections.CUT_OFFS.values()]


def test_the_pages_of_calcd_that_a_page_names_exist(page: str) -> None:
    named = {".".join(reference) for reference in re.findall(r"(?m)^\.Xr (calc\S*) (\d)", page)}
    assert named
    assert named <= set(PAGES)


def test_every_kind_of_message_has_an_id_of_its_own() -> None:
    kinds = [value for value in vars(messages).values() if isinstance(value, Message)]
    assert len({kind.id for kind in kinds}) == len(kinds) > 10
    assert all(re.fullmatch("[0-9a-f]{32}", kind.id) for kind in kinds)
