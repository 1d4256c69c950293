"""RESP: what COMMAND, COMMAND DOCS and HELP say of the commands, in the form that clients want."""

import pytest
from support.dialogue import new_dialogue, say
from support.resp_value import Value, read_value

from calcd.protocol.resp.commands import COMMANDS


def ask(line: bytes, version: int) -> Value:
    dialogue = new_dialogue()
    say(dialogue, b"HELLO %d\n" % version)
    reply = say(dialogue, line + b"\n")
    value, end = read_value(reply, 0, version)
    assert end == len(reply)
    return value


def pairs(value: Value, version: int) -> dict[bytes, Value]:
    assert value.kind == (b"*" if version == 2 else b"%")
    assert {key.kind for key in value.items[::2]} == {b"$"}, "redis-cli aborts at any other key"
    return dict(zip((key.text for key in value.items[::2]), value.items[1::2], strict=True))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("line", [b"COMMAND", b"command info"])
def test_command_has_ten_elements_for_each(line: bytes, version: int) -> None:
    entries = ask(line, version).items
    assert [entry.items[0] for entry in entries] == [Value(b"$", name) for name in COMMANDS]
    for entry in entries:
        for each in (entry, *entry.items[9].items):  # and its subcommands
            assert b"".join(item.kind for item in each.items) == (
                b"$:*:::****" if version == 2 else b"$:~:::****"
            )
            assert {flag.kind for flag in each.items[2].items} == {b"+"}


def test_an_arity_counts_the_name() -> None:
    add, client, set_name, unknown = ask(b"COMMAND INFO ADD client client|setname foo", 2).items
    assert (add.items[1].text, client.items[1].text, set_name.items[1].text) == (b"-3", b"-2", b"3")
    assert unknown == Value(b"_")


def test_list_and_count_agree() -> None:
    names = [item.text for item in ask(b"COMMAND LIST", 2).items]
    assert names == list(COMMANDS)
    assert ask(b"COMMAND COUNT", 2).text == b"%d" % len(names)


@pytest.mark.parametrize("version", [2, 3])
def test_docs_have_bulk_strings_where_redis_cli_insists_on_them(version: int) -> None:
    docs = pairs(ask(b"COMMAND DOCS", version), version)
    assert list(docs) == list(COMMANDS)
    for value in docs.values():
        _check_docs(value, version)


def _check_docs(value: Value, version: int) -> None:
    about = pairs(value, version)
    for name in (b"summary", b"since", b"group"):
        assert about.pop(name).kind == b"$"
    for argument in about.pop(b"arguments", Value(b"*")).items:
        _check_argument(argument, version)
    if b"subcommands" in about:
        for each in pairs(about.pop(b"subcommands"), version).values():
            _check_docs(each, version)
    assert not about


def _check_argument(value: Value, version: int) -> None:
    about = pairs(value, version)
    for name in (b"name", b"type"):
        assert about.pop(name).kind == b"$"
    assert about.pop(b"token", Value(b"$")).kind == b"$"
    flags = about.pop(b"flags", Value(b"*"))
    assert flags.kind == b"*"
    assert {flag.kind for flag in flags.items} <= {b"+"}
    for each in about.pop(b"arguments", Value(b"*")).items:
        _check_argument(each, version)
    assert not about


def test_docs_of_a_name_that_nobody_knows_are_left_out() -> None:
    assert list(pairs(ask(b"COMMAND DOCS foo ADD client|id", 2), 2)) == [b"add", b"client|id"]


def test_help_has_a_line_for_each_command_and_subcommand() -> None:
    lines = [item.text for item in ask(b"HELP", 2).items]
    assert b"ADD number number [number ...]: Adds integers, at most 64." in lines
    assert any(
        line.startswith(b"HELLO [protover [AUTH username password] [SETNAME clientname]]: ") for line in lines
    )
    assert any(line.startswith(b"CLIENT SETNAME connection-name: ") for line in lines)
    names = {row.usage.encode() for row in COMMANDS.values()}
    names |= {each.usage.encode() for row in COMMANDS.values() for each in row.subcommands.values()}
    assert {line.partition(b": ")[0] for line in lines} == names
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("line", [b"CLIENT HELP", b"CONFIG HELP", b"COMMAND HELP"])
def test_an_unknown_subcommand_may_well_say_that_there_is_help(line: bytes) -> None:
    name = line.split()[0]
    assert {item.text.split()[0].rstrip(b":") for item in ask(line, 2).items} == {name}
    assert ask(line, 2) == ask(b"HELP " + name, 3)
