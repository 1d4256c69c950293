"""The command line of calc-client."""

import re

import pytest

from calcd.client.program.arguments import COMMANDS, OPTIONS, Arguments, UsageError, parse_arguments


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("", Arguments()),
        ("add 2 3", Arguments(expression="add 2 3")),
        ("add -2 -3", Arguments(expression="add -2 -3")),
        ("-2+3", Arguments(expression="-2+3")),
        ("2 - 3", Arguments(expression="2 - 3")),
        ("-5 + 3", Arguments(expression="-5 + 3")),
        ("- 5", Arguments(expression="- 5")),
        ("-- 2 + 3", Arguments(expression="2 + 3")),
        ("--timeout 2 -- --help", Arguments(timeout=2.0, expression="--help")),
        ("--classic 2 + 3", Arguments(protocol="classic", expression="2 + 3")),
        ("--wrap --classic 2 + 3", Arguments(protocol="classic", wraps=True, expression="2 + 3")),
        ("--server h:1 add 2 3", Arguments(server="h:1", expression="add 2 3")),
        ("add 2 3 --server=h:1", Arguments(server="h:1", expression="add 2 3")),
        ("--timeout 2.5", Arguments(timeout=2.5)),
        ("--timeout=1 --server unix:/a", Arguments(server="unix:/a", timeout=1.0)),
        ("-f a b", Arguments(files=("a", "b"))),
        ("-f a -q --file=b -", Arguments(files=("a", "b", "-"), is_quiet=True)),
        ("-fa --json -- --json", Arguments(files=("a", "--json"), is_json=True)),
        ("--fail-fast --stats", Arguments(fails_fast=True, has_statistics=True)),
        ("ping", Arguments(command="ping")),
        ("-c 3 ping", Arguments(command="ping", pings=3)),
        ("ping -c3", Arguments(command="ping", pings=3)),
        ("info", Arguments(command="info")),
        ("info clients --quiet", Arguments(command="info", section="clients", is_quiet=True)),
    ],
)
def test_options_stand_anywhere_and_negative_numbers_are_operands(command: str, arguments: Arguments) -> None:
    assert parse_arguments(command.split()) == arguments


def test_an_empty_operand_is_a_mistake_and_not_a_wish_for_a_prompt() -> None:
    assert parse_arguments([""]).expression == ""


@pytest.mark.parametrize("command", ["-h", "--help", "add 1 2 --help"])
def test_help_tells_of_every_option_and_status(command: str) -> None:
    text = parse_arguments(command.split()).information
    names = [name for option in OPTIONS for name in option.names]
    for word in (*names, *COMMANDS, "CALCD_SERVER", "CALCD_PROTOCOL"):
        assert re.search(rf"(?<![\w-]){word}\b", text)
    statuses = [int(line.split()[0]) for line in text.partition("exit status:\n")[2].splitlines()]
    assert statuses == [0, 1, 2, 3, 64, 65, 66, 69, 70, 74, 75, 76, 130]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("--sever h:1", "unknown option --sever"),
        ("--version=1", "unknown option --version=1"),
        ("--classic=1", "unknown option --classic=1"),
        ("--wrap 2 + 3", "--wrap needs --classic"),
        ("--server", "--server needs a value"),
        ("--server=", "--server needs a value"),
        ("--timeout", "--timeout needs a value"),
        ("--timeout soon", "--timeout soon"),
        ("--timeout 0", "--timeout 0"),
        ("--timeout -1", "--timeout -1"),
        ("--timeout nan", "--timeout nan"),
        ("--timeout inf", "--timeout inf"),
        ("-x", "unknown option -x"),
        ("-qf a", "unknown option -qf"),
        ("-f", "-f needs a value"),
        ("-c 3 2 + 3", "--count needs ping"),
        ("-c 3 info", "info takes one section or none"),
        ("ping -c 0", "--count 0"),
        ("ping -c many", "--count many"),
        ("ping host", "ping takes no operand, as host"),
        ("info a b", "info takes one section or none"),
        ("ping --json", "ping takes no --json"),
        ("info --stats", "info takes no --stats"),
        ("--classic info", "info needs RESP: leave out --classic"),
    ],
)
def test_a_wrong_option_is_named(command: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_arguments(command.split())
    assert said in str(caught.value)


def test_the_environment_may_say_classic_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALCD_PROTOCOL", "classic")
    assert parse_arguments(["--wrap"]).wraps
