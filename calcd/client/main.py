"""calc-client: the command line, and one answer."""

import os
import re
import signal
import sys
from collections.abc import Iterable
from typing import NamedTuple

from calcd import __version__
from calcd.client import batch
from calcd.client.connection import DEFAULT_TIMEOUT, MAX_TIMEOUT, Client, encode
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
from calcd.client.session import Session

_HELP = """\
usage: calc-client [OPTION...] add|sub|mul|div A B
       calc-client [OPTION...] A +|-|x|/ B
       calc-client [OPTION...]

Asks calcd for the result. A and B are whole decimal numbers from -2147483648 to 2147483647; results wrap
to the same range, and a quotient loses its fraction. In a shell, quote an asterisk: '2 * 3'.

Without an operation, a terminal gets a prompt. From a pipe or a file, each line is one operation, and
output line n answers input line n: with the result, with "error" (the reason is on standard error), or
with an empty line where there is nothing but blanks or a # comment.

  --server SERVER    HOST:PORT, [IPV6]:PORT or unix:/path; by default the environment's CALCD_SERVER,
                     else 127.0.0.1:7070
  --timeout SECONDS  how long to wait for the connection, and for the server to answer: more than 0,
                     at most 86400, by default 10
  --version          print the version
  -h, --help         print this

exit status:
    0  all is answered
    1  division by zero: nothing was sent
    2  an operand does not fit 32 bits: nothing was sent
   64  the command line or the expression is not understood
   65  lines were read, and at least one of them had an error
   69  cannot connect to the server
   74  standard input or output failed
   75  the server did not answer in time
   76  the server closed the connection without an answer
  130  interrupted by Ctrl-C
"""

_STATUS: dict[type[ClientError], int] = {
    DivisionByZeroError: 1,
    OperandRangeError: 2,
    AddressError: os.EX_USAGE,
    ExpressionError: os.EX_USAGE,
    ConnectError: os.EX_UNAVAILABLE,
    ServerTimeoutError: os.EX_TEMPFAIL,
    ConnectionLostError: os.EX_PROTOCOL,
}


class UsageError(Exception):
    """The command line is wrong."""


class Arguments(NamedTuple):
    server: str | None = None
    timeout: float = DEFAULT_TIMEOUT
    expression: str | None = None  # None: converse with standard input
    information: str = ""  # what --help or --version prints instead of anything else


def main() -> int:
    """Runs calc-client with sys.argv; returns its exit status."""
    try:
        return _run(parse_arguments(sys.argv[1:]))
    except UsageError as error:
        _complain(f"{error}; see calc-client --help")
        return os.EX_USAGE
    except ClientError as error:
        _complain(error)
        return _STATUS[type(error)]
    except BrokenPipeError:
        return _die_of(signal.SIGPIPE)
    except KeyboardInterrupt:
        return _die_of(signal.SIGINT)
    except OSError as error:
        _complain(f"standard input or output: {error.strerror}")
        return os.EX_IOERR


def parse_arguments(arguments: Iterable[str]) -> Arguments:
    """Raises UsageError.

    Not argparse, which takes -2+3 for an option; here an option begins with two dashes and a letter.
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
            return Arguments(information=_HELP)
        if argument == "--version":
            return Arguments(information=f"calc-client {__version__}\n")
        if name not in ("--server", "--timeout"):
            raise UsageError(f"unknown option {argument}")
        value = value if equals else next(rest, "")
        if not value:
            raise UsageError(f"{name} needs a value")
        if name == "--server":
            parsed = parsed._replace(server=value)
        else:
            parsed = parsed._replace(timeout=_seconds(value))
    return parsed._replace(expression=" ".join(words)) if words else parsed


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_TIMEOUT:
        raise UsageError(f"--timeout {text}: give seconds, more than 0 and at most {MAX_TIMEOUT:.0f}")
    return seconds


def _run(arguments: Arguments) -> int:
    # Were a standard descriptor closed, the connection would get its number and be read or written in its
    # place. Open for reading only, what stands in for standard output still reports that it is no use.
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) <= 2:
        pass
    os.close(descriptor)
    if arguments.information:
        os.write(1, arguments.information.encode())
        return os.EX_OK
    if arguments.expression is not None:
        frame = encode(*parse(arguments.expression))
        with Client(arguments.server, arguments.timeout) as client:
            os.write(1, f"{client.exchange(frame)[0]}\n".encode())
        return os.EX_OK
    with Session(arguments.server, arguments.timeout) as session:
        if os.isatty(0) and os.isatty(1):
            from calcd.client import prompt  # noqa: PLC0415 readline and pathlib are for the prompt alone

            prompt.run(session)
            return os.EX_OK
        return os.EX_DATAERR if batch.run(session, 0, 1) else os.EX_OK


def _complain(problem: object) -> None:
    print(f"calc-client: {problem}", file=sys.stderr)


def _die_of(number: signal.Signals) -> int:
    """Ends as a program does that leaves the signal alone: quietly, and the shell can tell."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number
