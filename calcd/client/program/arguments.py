"""The command line of calc-client."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from calcd import __version__
from calcd.client.program.exit_status import MEANINGS
from calcd.client.session import DEFAULT_SERVER, DEFAULT_TIMEOUT, MAX_TIMEOUT, is_classic

_USAGE = """\
usage: calc-client [OPTION...] EXPRESSION
       calc-client [OPTION...] add|sub|mul|div A B
       calc-client [OPTION...]

  calc-client '2 * (3 + 4) - -5'     19
  calc-client -5 + 3                 -2
  calc-client add 2 3                5
  calc-client <FILE                  a line of output for each line of FILE

Asks calcd for the result. Numbers are whole and decimal, of any size that the server takes; a quotient loses
its fraction. + - * / x and parentheses mean what they usually do. In a shell, quote them: '2 * 3'.

Without an operation, a terminal gets a prompt. From a pipe or a file, each line is one expression, and
output line n answers input line n: with the result, with "error" (the reason is on standard error), or
with an empty line where there is nothing but blanks or a # comment.
"""


class Option(NamedTuple):
    """A row of the table of options, for the help, the manual page and the completions of the shells."""

    names: tuple[str, ...]
    metavar: str | None  # of its value; None if it takes none
    help: str


OPTIONS = (
    Option(
        ("--server",),
        "SERVER",
        "The server: HOST:PORT, [IPV6]:PORT or unix:/PATH. Default: the environment's CALCD_SERVER, else "
        f"{DEFAULT_SERVER}.",
    ),
    Option(
        ("--timeout",),
        "SECONDS",
        "How long to wait for the connection, and for the server to answer: more than 0, at most "
        f"{MAX_TIMEOUT:.0f}. Default: {DEFAULT_TIMEOUT:.0f}.",
    ),
    Option(
        ("--classic",),
        None,
        "Speak the classic protocol, for a server that knows no other. Numbers beyond 32 bits are refused. "
        "Default: what the environment's CALCD_PROTOCOL says, classic or resp, else resp.",
    ),
    Option(
        ("--wrap",),
        None,
        "In the classic protocol, let operands and results wrap to 32 bits, as in C.",
    ),
    Option(("--version",), None, "Print the version, and exit."),
    Option(("-h", "--help"), None, "Print the options and statuses, and exit."),
)

_WITH_VALUE = {name for option in OPTIONS if option.metavar for name in option.names}


class UsageError(Exception):
    """The command line is wrong."""


class Arguments(NamedTuple):
    """A parsed command line."""

    server: str | None = None
    timeout: float = DEFAULT_TIMEOUT  # seconds
    protocol: str | None = None  # None: what the environment says
    wraps: bool = False
    expression: str | None = None  # None: read expressions from standard input
    information: str = ""  # the text that --help or --version prints; empty for a calculation


def parse_arguments(arguments: Iterable[str]) -> Arguments:
    """Parses a command line. Raises UsageError, and UnknownProtocolError for CALCD_PROTOCOL.

    argparse would take -2+3 for an option. Here, an option is -h, or begins with two dashes and a letter; --
    ends the options.
    """
    parsed = Arguments()
    words: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            words += rest
            break
        if argument != "-h" and not re.match("--[a-z]", argument):
            words.append(argument)
            continue
        if argument in ("-h", "--help"):
            return Arguments(information=_help())
        if argument == "--version":
            return Arguments(information=f"calc-client {__version__}\n")
        if argument == "--classic":
            parsed = parsed._replace(protocol="classic")
        elif argument == "--wrap":
            parsed = parsed._replace(wraps=True)
        else:
            parsed = _with_value(parsed, argument, rest)
    if parsed.wraps and not is_classic(parsed.protocol):
        raise UsageError("--wrap needs --classic: results of RESP are exact")
    return parsed._replace(expression=" ".join(words)) if words else parsed


def _with_value(parsed: Arguments, argument: str, rest: Iterable[str]) -> Arguments:
    name, equals, value = argument.partition("=")
    if name not in _WITH_VALUE:
        raise UsageError(f"unknown option {argument}")
    value = value if equals else next(iter(rest), "")
    if not value:
        raise UsageError(f"{name} needs a value")
    if name == "--server":
        return parsed._replace(server=value)
    return parsed._replace(timeout=_seconds(value))


def _help() -> str:
    import textwrap  # noqa: PLC0415 only the help needs it

    options = [(" ".join((", ".join(o.names), o.metavar or "")), o.help) for o in OPTIONS]
    lines = [
        textwrap.fill(text, 104, initial_indent=f"  {option:17}  ", subsequent_indent=" " * 21)
        for option, text in options
    ]
    statuses = [f"  {status:3}  {meaning}" for status, meaning in MEANINGS.items()]
    return "\n".join((_USAGE, *lines, "", "exit status:", *statuses, ""))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_TIMEOUT:
        raise UsageError(f"--timeout {text}: give seconds, more than 0 and at most {MAX_TIMEOUT:.0f}")
    return seconds
