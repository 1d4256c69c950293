"""Fast ways to answer what most clients send: ADD, SUB, MUL and DIV, all with the same number of operands.

1.  Python takes some 50 ns for each thing that it does to a command. So each step here is one call for a
    whole batch: of commands with two operands, split once, every seventh field is a name.
2.  A batch of another shape, or with a single error in it, is left to the general way: calcd has said nothing
    yet. What is answered here is answered as it would be there, to the byte.
3.  int() takes more than an operand may be. So what is left of a batch without letters, digits, "-", "*" and
    "$" has to be line ends and blanks where they belong.
"""

from __future__ import annotations

from _operator import add
from math import prod
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
_OPERATIONS_ON_MORE = {"ADD", "MUL"}
# How many fields a command with 2 to 64 operands has, by the first one.
_WIDTHS = {f"*{words}": 2 * words + 1 for words in range(3, 66)}
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
    except (ValueError, ZeroDivisionError, StructError, LookupError):
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
    count = fields[0]
    width = _WIDTHS[count]
    commands = (len(fields) - 1) // width  # what is behind the last line end is no field yet
    rest = fields[commands * width :]
    del fields[commands * width :]
    size = len(data) - sum(map(len, rest)) - 2 * (len(rest) - 1)
    columns = [fields[at::width] for at in range(4, width, 2)]
    if (
        fields[::width].count(count) != commands
        or fields[1::width].count("$3") != commands
        or any(
            list(map(_LENGTHS.__getitem__, map(len, column))) != fields[at::width]
            for at, column in zip(range(3, width, 2), columns, strict=True)
        )
        or data[:size].translate(None, _IN_FIELDS) != b"\r\n" * (width * commands)
    ):
        return b"", 0, 0
    return _formatted(_results(fields[2::width], columns), commands), commands, size


def _answer_lines(data: bytes) -> tuple[bytes, int, int]:
    size = data.rfind(b"\n") + 1
    lines = data[:size]
    commands = lines.count(b"\n")
    blanks = lines.translate(None, _IN_WORDS)
    words = lines.decode("latin-1").split()
    width = len(words) // commands
    between = b" " * (width - 1)
    if (
        f"*{width}" not in _WIDTHS
        or len(words) != width * commands
        or blanks not in ((between + b"\n") * commands, (between + b"\r\n") * commands)
        or _TOO_LONG in lines.translate(_ZEROS)
    ):
        return b"", 0, 0
    columns = [words[at::width] for at in range(1, width)]
    return _formatted(_results(words[::width], columns), commands), commands, size


def _results(names: list[str], columns: list[list[str]]) -> Iterable[int]:
    """columns has the first operands, the second ones, and so on.

    Raises ValueError or ZeroDivisionError if not all are for the fast way.
    """
    if len(columns) > 2:
        return _results_of_more(names, columns)
    numbers = [map(int, column) for column in columns]
    if names.count("ADD") == len(names):
        return map(add, *numbers)
    names = _checked(names, _OPERATIONS)
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
        for name, a, b in zip(names, *numbers, strict=True)
    ]


def _results_of_more(names: list[str], columns: list[list[str]]) -> Iterable[int]:
    """_results() of more than two operands."""
    names = _checked(names, _OPERATIONS_ON_MORE)
    # A product of long operands takes long, and is too big.
    if max(max(map(len, column)) for column in columns) >= len(_LENGTHS):
        raise ValueError
    rows = zip(*(map(int, column) for column in columns), strict=True)
    if names.count("ADD") == len(names):
        return map(sum, rows)
    return [sum(row) if name == "ADD" else prod(row) for name, row in zip(names, rows, strict=True)]


def _checked(names: list[str], known: set[str]) -> list[str]:
    """The names in capital letters. Raises ValueError for one that is not known."""
    if not known.issuperset(names):
        names = list(map(str.upper, names))
        if not known.issuperset(names):
            raise ValueError
    return names


def _formatted(results: Iterable[int], count: int) -> bytes:
    """Raises StructError if a result does not fit 64 bits."""
    numbers = tuple(results)
    pack(f"{count}q", *numbers)  # the fastest way to find out
    return b":%d\r\n" * count % numbers
