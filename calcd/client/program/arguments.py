"""The command line of calc-client."""

from __future__ import annotations

import re
from collections import namedtuple
from types import SimpleNamespace

from calcd import __version__
from calcd.client.program.exit_status import MEANINGS
from calcd.client.session import DEFAULT_SERVER, DEFAULT_TIMEOUT, MAX_TIMEOUT, is_classic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_USAGE = """\
usage: calc-client [OPTION...] EXPRESSION
       calc-client [OPTION...] add|sub|mul|div A B
       calc-client [OPTION...] -f FILE...
       calc-client [OPTION...] info [SECTION] | ping
       calc-client [OPTION...]

  calc-client '2 * (3 + 4) - -5'     19
  calc-client -5 + 3                 -2
  calc-client add 2 3                5
  calc-client <FILE                  a line of output for each line of FILE
  calc-client --json -f a.txt b.txt  an object of JSON for each line of both
  calc-client ping -c 3              how long three answers take
  calc-client info clients           what the server tells of itself

Asks calcd for the result. Numbers are whole and decimal, of any size that the server takes; a quotient loses
its fraction. + - * / x and parentheses mean what they usually do. In a shell, quote them: '2 * 3'.

Without an operand, a terminal gets a prompt. From a pipe or a file, each line is one expression, and
output line n answers input line n: with the result, with "error" (the reason is on standard error), or
with an empty line where there is nothing but blanks or a # comment.
"""


class Option(namedtuple("Option", ("names", "metavar", "help", "takes_operands"), defaults=(False,))):
    """A row of the table of options, for the help, the manual page and the completions of the shells."""

    __slots__ = ()
    names: tuple[str, ...]
    metavar: str | None  # of its value; None if it takes none
    help: str
    takes_operands: bool  # as more values; and it may be repeated


OPTIONS = (
    Option(
        ("-f", "--file"),
        "FILE",
        "Read lines from this file. Words without an option are files then, too, and - is standard input: "
        "-f a.txt b.txt -.",
        takes_operands=True,
    ),
    Option(("--json",), None, "Answer each line with an object of JSON. Errors of lines are in it."),
    Option(("-q", "--quiet"), None, "Say nothing of errors on standard error. The exit status says it."),
    Option(("--fail-fast",), None, "End at the first line that has an error, or file that cannot be read."),
    Option(
        ("--stats",),
        None,
        "Tell at the end what it took. Standard error has the number of requests and errors, the time, the "
        "rate, and how long half and 99 percent of the answers took at most.",
    ),
    Option(("-c", "--count"), "N", "Let ping end after so many requests."),
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

COMMANDS = ("info", "ping")  # words that ask for something else than a result
MAX_COUNT = 1_000_000_000

_NAMES = {name: option.names[-1] for option in OPTIONS for name in option.names}
_WITH_VALUE = {name for option in OPTIONS if option.metavar for name in option.names}
_OF_LINES = ("--file", "--json", "--fail-fast", "--stats")


class UsageError(Exception):
    """The command line is wrong."""


class Arguments(SimpleNamespace):
    """A parsed command line."""

    server: str | None = None
    timeout: float = DEFAULT_TIMEOUT  # seconds
    protocol: str | None = None  # None: what the environment says
    wraps: bool = False
    command: str = ""  # one of COMMANDS; empty for calculations
    section: str = ""  # of info; empty for all
    pings: int | None = None  # how many; None: until Ctrl-C
    expression: str | None = None  # None: read expressions from the files, or from standard input
    files: tuple[str, ...] = ()  # as they were named
    is_json: bool = False
    is_quiet: bool = False
    fails_fast: bool = False
    has_statistics: bool = False
    information: str = ""  # the text that --help or --version prints; empty otherwise

    @property
    def is_batch(self) -> bool:
        """Whether an option says that there is to be no prompt."""
        return bool(self.files) or self.is_json or self.is_quiet or self.fails_fast or self.has_statistics


_FLAGS: dict[str, tuple[str, bool | str]] = {
    "--classic": ("protocol", "classic"),
    "--wrap": ("wraps", True),
    "--json": ("is_json", True),
    "--quiet": ("is_quiet", True),
    "--fail-fast": ("fails_fast", True),
    "--stats": ("has_statistics", True),
}


def parse_arguments(arguments: Iterable[str]) -> Arguments:
    """Parses a command line. Raises UsageError, and UnknownProtocolError for CALCD_PROTOCOL.

    argparse would take -2+3 for an option. Here, an option begins with a dash and a letter, or with two of
    them and a letter; -- ends the options.
    """
    parsed = Arguments()
    words: list[str] = []
    given: set[str] = set()
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            words += rest
            break
        if not re.match("--?[A-Za-z]", argument):
            words.append(argument)
            continue
        name = _NAMES.get(argument, argument)
        if name == "--help":
            return Arguments(information=_help())
        if name == "--version":
            return Arguments(information=f"calc-client {__version__}\n")
        if name in _FLAGS:
            setattr(parsed, *_FLAGS[name])
        else:
            name = _take_value(parsed, argument, rest)
        given.add(name)
    if parsed.wraps and not is_classic(parsed.protocol):
        raise UsageError("--wrap needs --classic: results of RESP are exact")
    _take_words(parsed, words, given)
    return parsed


def _take_words(parsed: Arguments, words: list[str], given: set[str]) -> None:
    """Words are files behind a -f, else a command or an expression."""
    if parsed.files:
        parsed.files = (*parsed.files, *words)
        words = []
    command, *operands = " ".join(words).split() or [""]
    if command not in COMMANDS:
        if parsed.pings:
            raise UsageError("--count needs ping: calc-client ping -c 3")
        if words:
            parsed.expression = " ".join(words)
        return
    if unfit := [name for name in _OF_LINES if name in given]:
        raise UsageError(f"{command} takes no {unfit[0]}: it calculates nothing")
    if is_classic(parsed.protocol):
        raise UsageError(f"{command} needs RESP: leave out --classic, or the environment's CALCD_PROTOCOL")
    if command == "ping":
        if operands:
            raise UsageError(f"ping takes no operand, as {operands[0]}: --server says whom it asks")
    elif len(operands) > 1 or parsed.pings:
        raise UsageError("info takes one section or none: calc-client info clients")
    elif operands:
        parsed.section = operands[0]
    parsed.command = command


def _take_value(parsed: Arguments, argument: str, rest: Iterable[str]) -> str:
    """Returns the option's longest name."""
    if argument.startswith("--"):
        option, is_attached, value = argument.partition("=")
    else:
        option, value = argument[:2], argument[2:]
        is_attached = value
    if option not in _WITH_VALUE:
        raise UsageError(f"unknown option {argument}")
    value = value if is_attached else next(iter(rest), "")
    if not value:
        raise UsageError(f"{option} needs a value")
    name = _NAMES[option]
    if name == "--server":
        parsed.server = value
    elif name == "--file":
        parsed.files = (*parsed.files, value)
    elif name == "--count":
        parsed.pings = _count(value)
    else:
        parsed.timeout = _seconds(value)
    return name


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


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,10}", text) or not 1 <= int(text) <= MAX_COUNT:
        raise UsageError(f"--count {text}: give a number from 1 to {MAX_COUNT}")
    return int(text)
