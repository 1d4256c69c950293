"""Fast ways to answer what most clients send: ADD, SUB, MUL and DIV with two operands.

1.  Python takes some 50 ns for each thing that it does to a command. So each step here is one call for a
    whole batch: of a batch that is split once, every seventh field is a name.
2.  A batch of another shape, or with a single error in it, is left to the general way: calcd has said nothing
    yet. What is answered here is answered as it would be there, to the byte.
3.  int() takes more than an operand may be. So what is left of a batch without letters, digits, "-", "*" and
    "$" has to be line ends and blanks where they belong.
"""

from __future__ import annotations

from _operator import add
from struct import error as StructError  # noqa: N812 - it is a class
from struct import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Bytes. A longer command is none of the usual ones.
MAX_ONE = 96
# Bytes that the shortest of the usual commands has, "ADD 2 3\n".
MIN_COMMAND = 8
_OPERATIONS = {"ADD", "SUB", "MUL", "DIV"}
# Digits of an operand, and one byte for a sign. All such operands are far below the limits for numbers.
_LENGTHS = tuple(f"${length}" for length in range(21))
_LENGTHS_OF_ONE = tuple(length.encode() for length in _LENGTHS)
_INTEGERS_END = 1 << 63
_DIGITS = b"0123456789"
_IN_WORDS = b"-" + _DIGITS + b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_IN_FIELDS = _IN_WORDS + b"*$"
_ZEROS = bytes.maketrans(_DIGITS, b"0" * len(_DIGITS))
_TOO_LONG = b"0" * 1025
_ASTERISK = ord("*")
# Health checks, and programs that measure, say little else.
_PINGS = dict.fromkeys((b"*1\r\n$4\r\nPING\r\n", b"PING\r\n", b"PING\n"), b"+PONG\r\n")


def answer(data: bytes) -> tuple[bytes, int, int]:
    """Answers the whole commands in data, which is not empty.

    Returns the replies, how many commands have one, and how many bytes these commands have. All are 0 if
    there is no whole command, or if one of them is not for the fast way.
    """
    try:
        return _answer_arrays(data) if data[0] == _ASTERISK else _answer_lines(data)
    except (ValueError, ZeroDivisionError, StructError, IndexError):
        return b"", 0, 0


def answer_one(data: bytes) -> bytes:  # noqa: PLR0911, PLR0912 - a call would cost as much as a part does
    """The reply to data, at most MAX_ONE bytes, if it is one whole command for the fast way, else b""."""
    if pong := _PINGS.get(data):
        return pong
    try:
        if data[0] == _ASTERISK:
            count, name_length, name, length1, word1, length2, word2, end = data.split(b"\r\n")
            if (
                count != b"*3"
                or name_length != b"$3"
                or length1 != _LENGTHS_OF_ONE[len(word1)]
                or length2 != _LENGTHS_OF_ONE[len(word2)]
                or end
            ):
                return b""
        else:
            name, word1, word2 = data.split()
            if data.find(b"\n") != len(data) - 1:
                return b""
        if not (word1.isdigit() or (word1[:1] == b"-" and word1[1:].isdigit())):
            return b""
        if not (word2.isdigit() or (word2[:1] == b"-" and word2[1:].isdigit())):
            return b""
        a, b = int(word1), int(word2)
        if name == b"ADD" or (name := name.upper()) == b"ADD":
            result = a + b
        elif name == b"SUB":
            result = a - b
        elif name == b"MUL":
            result = a * b
        elif name == b"DIV":
            result = a // b if (a < 0) == (b < 0) else -(-a // b)
        else:
            return b""
    except (ValueError, ZeroDivisionError, IndexError):
        return b""
    return b":%d\r\n" % result if -_INTEGERS_END <= result < _INTEGERS_END else b""


def _answer_arrays(data: bytes) -> tuple[bytes, int, int]:
    fields = data.decode("latin-1").split("\r\n")
    commands = (len(fields) - 1) // 7  # what is behind the last line end is no field yet
    rest = fields[commands * 7 :]
    del fields[commands * 7 :]
    size = len(data) - sum(map(len, rest)) - 2 * (len(rest) - 1)
    words1, words2 = fields[4::7], fields[6::7]
    if (
        fields[::7].count("*3") != commands
        or fields[1::7].count("$3") != commands
        or list(map(_LENGTHS.__getitem__, map(len, words1))) != fields[3::7]
        or list(map(_LENGTHS.__getitem__, map(len, words2))) != fields[5::7]
        or data[:size].translate(None, _IN_FIELDS) != b"\r\n" * (7 * commands)
    ):
        return b"", 0, 0
    return _formatted(_results(fields[2::7], words1, words2), commands), commands, size


def _answer_lines(data: bytes) -> tuple[bytes, int, int]:
    size = data.rfind(b"\n") + 1
    lines = data[:size]
    commands = lines.count(b"\n")
    blanks = lines.translate(None, _IN_WORDS)
    words = lines.decode("latin-1").split()
    if (
        len(words) != 3 * commands
        or blanks not in (b"  \n" * commands, b"  \r\n" * commands)
        or _TOO_LONG in lines.translate(_ZEROS)
    ):
        return b"", 0, 0
    return _formatted(_results(words[::3], words[1::3], words[2::3]), commands), commands, size


def _results(names: list[str], words1: list[str], words2: list[str]) -> Iterable[int]:
    """Raises ValueError or ZeroDivisionError if not all are for the fast way."""
    if names.count("ADD") == len(names):
        return map(add, map(int, words1), map(int, words2))
    if not _OPERATIONS.issuperset(names):
        names = list(map(str.upper, names))
        if not _OPERATIONS.issuperset(names):
            raise ValueError
    return [
        a + b
        if name == "ADD"
        else a - b
        if name == "SUB"
        else a * b
        if name == "MUL"
        else a // b
        if (a < 0) == (b < 0)
        else -(-a // b)
        for name, a, b in zip(names, map(int, words1), map(int, words2), strict=True)
    ]


def _formatted(results: Iterable[int], count: int) -> bytes:
    """Raises StructError if a result does not fit 64 bits."""
    numbers = tuple(results)
    pack(f"{count}q", *numbers)  # the fastest way to find out
    return b":%d\r\n" * count % numbers
