"""The program calc-client: it parses the command line, and answers one expression, a prompt, or a batch."""

import enum
import os
import re
import signal
import sys
from collections.abc import Iterable
from typing import NamedTuple

from calcd import __version__
from calcd.client import batch
from calcd.client.connection import DEFAULT_SERVER, DEFAULT_TIMEOUT, MAX_TIMEOUT, Client, encode
from calcd.client.errors import (
    AddressError,
    ClientError,
    ConnectError,
    ConnectionLostError,
    DivisionByZeroError,
    OperandRangeError,
    ServerTimeoutError,
)
from calcd.client.expression import ExpressionError, parse
from calcd.client.reconnecting import ReconnectingClient

_USAGE = """\
usage: calc-client [OPTION...] add|sub|mul|div A B
       calc-client [OPTION...] A +|-|x|/ B
       calc-client [OPTION...]

Asks calcd for the result. A and B are whole decimal numbers from -2147483648 to 2147483647; results wrap
to the same range, and a quotient loses its fraction. In a shell, quote an asterisk: '2 * 3'.

Without an operation, a terminal gets a prompt. From a pipe or a file, each line is one operation, and
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
    Option(("--version",), None, "Print the version, and exit."),
    Option(("-h", "--help"), None, "Print the options and statuses, and exit."),
)


class ExitStatus(enum.IntEnum):
    """The exit statuses of calc-client: its own numbers, and those of sysexits.h and the shell."""

    OK = os.EX_OK
    DIVISION_BY_ZERO = 1
    OPERAND_RANGE = 2
    USAGE = os.EX_USAGE
    BAD_LINES = os.EX_DATAERR
    UNAVAILABLE = os.EX_UNAVAILABLE
    INPUT_OUTPUT = os.EX_IOERR
    TIMEOUT = os.EX_TEMPFAIL
    CONNECTION_LOST = os.EX_PROTOCOL
    INTERRUPTED = 128 + signal.SIGINT


MEANINGS = {
    ExitStatus.OK: "all is answered",
    ExitStatus.DIVISION_BY_ZERO: "division by zero: nothing was sent",
    ExitStatus.OPERAND_RANGE: "an operand does not fit 32 bits: nothing was sent",
    ExitStatus.USAGE: "the command line or the expression is not understood",
    ExitStatus.BAD_LINES: "lines were read, and at least one of them had an error",
    ExitStatus.UNAVAILABLE: "cannot connect to the server",
    ExitStatus.INPUT_OUTPUT: "standard input or output failed",
    ExitStatus.TIMEOUT: "the server did not answer in time",
    ExitStatus.CONNECTION_LOST: "the server closed the connection without an answer",
    ExitStatus.INTERRUPTED: "interrupted by Ctrl-C",
}

_STATUS: dict[type[ClientError], ExitStatus] = {
    DivisionByZeroError: ExitStatus.DIVISION_BY_ZERO,
    OperandRangeError: ExitStatus.OPERAND_RANGE,
    AddressError: ExitStatus.USAGE,
    ExpressionError: ExitStatus.USAGE,
    ConnectError: ExitStatus.UNAVAILABLE,
    ServerTimeoutError: ExitStatus.TIMEOUT,
    ConnectionLostError: ExitStatus.CONNECTION_LOST,
}


_WITH_VALUE = {name for option in OPTIONS if option.metavar for name in option.names}


class UsageError(Exception):
    """The command line is wrong."""


class Arguments(NamedTuple):
    """A parsed command line."""

    server: str | None = None
    timeout: float = DEFAULT_TIMEOUT  # seconds
    expression: str | None = None  # None: read expressions from standard input
    information: str = ""  # the text that --help or --version prints; empty for a calculation


def main() -> int:
    """Runs calc-client with sys.argv. Returns the exit status."""
    try:
        return _run(parse_arguments(sys.argv[1:]))
    except UsageError as error:
        _complain(f"{error}; see calc-client --help")
        return ExitStatus.USAGE
    except ClientError as error:
        _complain(error)
        return _STATUS[type(error)]
    except BrokenPipeError:
        return _die_of(signal.SIGPIPE)
    except KeyboardInterrupt:
        return _die_of(signal.SIGINT)
    except OSError as error:
        _complain(f"standard input or output: {error.strerror}")
        return ExitStatus.INPUT_OUTPUT


def parse_arguments(arguments: Iterable[str]) -> Arguments:
    """Parses a command line. Raises UsageError.

    argparse would take -2+3 for an option. Here, an option is -h, or begins with two dashes and a letter.
    """
    parsed = Arguments()
    words = []
    rest = iter(arguments)
    for argument in rest:
        if argument != "-h" and not re.match("--[a-z]", argument):
            words.append(argument)
            continue
        name, equals, value = argument.partition("=")
        if argument in ("-h", "--help"):
            return Arguments(information=_help())
        if argument == "--version":
            return Arguments(information=f"calc-client {__version__}\n")
        if name not in _WITH_VALUE:
            raise UsageError(f"unknown option {argument}")
        value = value if equals else next(rest, "")
        if not value:
            raise UsageError(f"{name} needs a value")
        if name == "--server":
            parsed = parsed._replace(server=value)
        else:
            parsed = parsed._replace(timeout=_seconds(value))
    return parsed._replace(expression=" ".join(words)) if words else parsed


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


def _run(arguments: Arguments) -> ExitStatus:
    # If the caller closed a standard stream, the connection would get its number, and be read or written in
    # its place. So /dev/null is opened instead. It is open only for reading, so that a write to a closed
    # standard output still fails.
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) <= 2:
        pass
    os.close(descriptor)
    if arguments.information:
        os.write(1, arguments.information.encode())
        return ExitStatus.OK
    if arguments.expression is not None:
        frame = encode(*parse(arguments.expression))
        with Client(arguments.server, arguments.timeout) as client:
            os.write(1, f"{client.exchange(frame)[0]}\n".encode())
        return ExitStatus.OK
    with ReconnectingClient(arguments.server, arguments.timeout) as client:
        if os.isatty(0) and os.isatty(1):
            from calcd.client import prompt  # noqa: PLC0415 only the prompt needs readline and pathlib

            prompt.run(client)
            return ExitStatus.OK
        return ExitStatus.BAD_LINES if batch.run(client, 0, 1) else ExitStatus.OK


def _complain(problem: object) -> None:
    print(f"calc-client: {problem}", file=sys.stderr)


def _die_of(number: signal.Signals) -> int:
    """Ends quietly by the signal's default action, so that the shell sees that the signal ended it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number
