"""RESP, the protocol of Redis, on the client's side: requests to lines, and bytes to replies. No I/O.

1.  A request is a line, which is a third of the bytes of an array, and half of the server's work.
2.  Any bytes are replies, the beginning of one, or a NotCalcdError. Only what calcd answers to ADD, SUB, MUL
    and DIV is a reply: an integer, a bulk string of digits, or an error.
"""

import re
from collections.abc import Iterable

from calcd.client.errors import (
    ClientError,
    ConnectionLostError,
    DivisionByZeroError,
    ErrorReplyError,
    NotCalcdError,
    OperandRangeError,
    TooBigError,
)
from calcd.client.request import Reply, Request

_COMMANDS = ("ADD", "SUB", "MUL", "DIV")  # by the number of the operation

_INTEGER = rb"(?:0|-?[1-9][0-9]{0,18})"
_INTEGERS = re.compile(rb"(?::%b\r\n)+" % _INTEGER)
# These are compiled when they are needed, which for one answer they are not.
_REPLY = rb"-([^\r\n]{1,1024})\r\n|\$([1-9][0-9]{1,3})\r\n(-?[1-9][0-9]+)\r\n"
_BEGINNING = rb"(?::-?[0-9]{0,19}|-[^\r\n]{0,1024}|\$[0-9]{0,4}|\$[1-9][0-9]{1,3}\r\n-?[0-9]{0,9999})\r?"
_MOST = 11_000  # bytes of a reply
_ERRORS: dict[bytes, type[ClientError]] = {b"DIVBYZERO": DivisionByZeroError, b"TOOBIG": TooBigError}
_SHOWN = 60  # bytes of what is no reply


class Resp:
    """The requests and replies of one connection."""

    first_alone = False

    def __init__(self) -> None:
        self.rest = b""  # the beginning of a reply
        self._has_answered = False

    def encode(self, requests: Iterable[Request]) -> list[bytes | ClientError]:
        """Returns the line of each request, or why there is none."""
        try:
            return [f"{_COMMANDS[operation]} {a} {b}\n".encode() for operation, a, b in requests]
        except ValueError:  # an int beyond Python's limit for the conversion to text
            raise OperandRangeError("an operand has more than 4300 digits, and calcd takes fewer") from None

    def decode(self, data: bytes, replies: list[Reply]) -> None:
        """Appends the replies that are whole. Raises NotCalcdError, and ConnectionLostError for an error by
        which the server ends the connection."""
        data = self.rest + data
        at = 0
        while at < len(data):
            integers = _INTEGERS.match(data, at)
            if integers:
                end = integers.end()
                replies += data[at + 1 : end - 2].decode().split("\r\n:")
                self._has_answered = True
            elif reply := re.match(_REPLY, data[at : at + _MOST]):
                end = at + reply.end()
                replies.append(self._unusual(reply))
            elif re.fullmatch(_BEGINNING, data[at:]):
                break
            else:
                raise NotCalcdError(shown(data[at:]))
            at = end
        self.rest = data[at:]

    def _unusual(self, reply: re.Match[bytes]) -> Reply:
        error, length, digits = reply.groups()
        if not error:
            if int(length) != len(digits):
                raise NotCalcdError(shown(reply[0]))
            self._has_answered = True
            return str(digits, "ascii")
        word, _, _ = error.partition(b" ")
        if kind := _ERRORS.get(word):
            self._has_answered = True
            return kind(printable(error[len(word) + 1 :]))
        if self._has_answered and word == b"ERR":
            # A command that calcd has answered before is right. So this is what calcd says before it closes.
            raise ConnectionLostError(f"the server ended the connection: {printable(error[4:])}")
        return ErrorReplyError(f"the server's answer is an error: {printable(error)}")


def printable(text: bytes) -> str:
    """A server's words as they may be shown: its control characters could have a terminal do anything."""
    return re.sub(rb"[^ -~]", b"?", text).decode()


def shown(data: bytes) -> str:
    """The beginning of what the server sent, in quotes."""
    return repr(data[:_SHOWN])[1:] + ("..." if len(data) > _SHOWN else "")
