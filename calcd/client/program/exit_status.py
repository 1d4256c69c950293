"""The exit statuses of calc-client: its own numbers, and those of sysexits.h and the shell."""

import enum
import signal

from calcd.client.errors import (
    AddressError,
    ClientError,
    ConnectError,
    ConnectionLostError,
    DivisionByZeroError,
    ErrorReplyError,
    NotAskedError,
    NotCalcdError,
    ServerTimeoutError,
    SharedClientError,
    TooBigError,
    UnknownProtocolError,
)
from calcd.client.program.grammar import ExpressionError


class ExitStatus(enum.IntEnum):
    OK = 0
    DIVISION_BY_ZERO = 1
    TOO_BIG = 2
    ERROR_REPLY = 3
    # From here on, those of sysexits.h. The module os has their names on Unix alone.
    USAGE = 64
    BAD_LINES = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    INPUT_OUTPUT = 74
    TIMEOUT = 75
    NO_ANSWER = 76
    INTERRUPTED = 128 + signal.SIGINT


MEANINGS = {
    ExitStatus.OK: "all is answered",
    ExitStatus.DIVISION_BY_ZERO: "division by zero",
    ExitStatus.TOO_BIG: "a number is beyond the server's limits, or the 32 bits of the classic protocol",
    ExitStatus.ERROR_REPLY: "the server answered with another error",
    ExitStatus.USAGE: "the command line or the expression is not understood",
    ExitStatus.BAD_LINES: "lines were read, and at least one of them had an error",
    ExitStatus.NO_INPUT: "a file could not be read; all others were, unless --fail-fast ended it",
    ExitStatus.UNAVAILABLE: "cannot connect to the server",
    ExitStatus.SOFTWARE: "a fault of calc-client itself",
    ExitStatus.INPUT_OUTPUT: "standard input or output failed",
    ExitStatus.TIMEOUT: "the server did not answer in time",
    ExitStatus.NO_ANSWER: "the server closed the connection without an answer, or is not calcd",
    ExitStatus.INTERRUPTED: "interrupted by Ctrl-C",
}

_OF_ERRORS: dict[type[ClientError], ExitStatus] = {
    DivisionByZeroError: ExitStatus.DIVISION_BY_ZERO,
    TooBigError: ExitStatus.TOO_BIG,
    ErrorReplyError: ExitStatus.ERROR_REPLY,
    AddressError: ExitStatus.USAGE,
    UnknownProtocolError: ExitStatus.USAGE,
    ExpressionError: ExitStatus.USAGE,
    ConnectError: ExitStatus.UNAVAILABLE,
    SharedClientError: ExitStatus.SOFTWARE,
    NotAskedError: ExitStatus.SOFTWARE,
    ServerTimeoutError: ExitStatus.TIMEOUT,
    ConnectionLostError: ExitStatus.NO_ANSWER,
    NotCalcdError: ExitStatus.NO_ANSWER,
}


def of_error(error: ClientError) -> ExitStatus:
    return next(_OF_ERRORS[kind] for kind in type(error).__mro__ if kind in _OF_ERRORS)
