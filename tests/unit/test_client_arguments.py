"""The command line of calc-client."""

import pytest

from calcd.client.program.arguments import Arguments, UsageError, parse_arguments


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
    ],
)
def test_options_stand_anywhere_and_negative_numbers_are_operands(command: str, arguments: Arguments) -> None:
    assert parse_arguments(command.split()) == arguments


def test_an_empty_operand_is_a_mistake_and_not_a_wish_for_a_prompt() -> None:
    assert parse_arguments([""]).expression == ""


@pytest.mark.parametrize("command", ["-h", "--help", "add 1 2 --help"])
def test_help_tells_of_every_option_and_status(command: str) -> None:
    text = parse_arguments(command.split()).information
    for option in (
        "--server",
        "--timeout",
        "--version",
        "--help",
        "--classic",
        "--wrap",
        "CALCD_SERVER",
        "CALCD_PROTOCOL",
    ):
        assert option in text
    statuses = [int(line.split()[0]) for line in text.partition("exit status:\n")[2].splitlines()]
    assert statuses == [0, 1, 2, 3, 64, 65, 69, 70, 74, 75, 76, 130]


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
    ],
)
def test_a_wrong_option_is_named(command: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_arguments(command.split())
    assert said in str(caught.value)


def test_the_environment_may_say_classic_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALCD_PROTOCOL", "classic")
    assert parse_arguments(["--wrap"]).wraps
