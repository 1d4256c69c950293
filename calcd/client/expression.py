"""Parses expressions as people write them: add 2 3, or add 2, 3, or 2 + 3."""

import re

from calcd.client.connection import Request
from calcd.client.errors import ClientError, OperandRangeError
from calcd.protocol.classic import Operation

NAMES = {"add": Operation.ADD, "sub": Operation.SUB, "mul": Operation.MUL, "div": Operation.DIV}
_SIGNS = {
    "+": Operation.ADD,
    "-": Operation.SUB,
    "*": Operation.MUL,
    "x": Operation.MUL,
    "X": Operation.MUL,
    "/": Operation.DIV,
}

# 32 digits suffice for every operand. int() refuses more than 4,300.
_NUMBER = r"([+-]?[0-9]{1,32})"
_NAMED = re.compile(rf"\s*(add|sub|mul|div)\s+{_NUMBER}(?:\s*,\s*|\s+){_NUMBER}\s*", re.IGNORECASE | re.ASCII)
# An x needs a space before it, or 0x10 would be 0 times 10.
_INFIX = re.compile(rf"\s*{_NUMBER}\s*([-+*/]|(?<=\s)[xX](?=\s))\s*{_NUMBER}\s*")


class ExpressionError(ClientError, ValueError):
    """A line that is not understood."""


def parse(line: str) -> Request:
    """Returns the request for a line. It does not check that the operands fit 32 bits.

    Raises ExpressionError, and OperandRangeError for a number of more than 32 digits.
    """
    if match := _NAMED.fullmatch(line):
        return Request(NAMES[match[1].lower()], int(match[2]), int(match[3]))
    if match := _INFIX.fullmatch(line):
        return Request(_SIGNS[match[2]], int(match[1]), int(match[3]))
    raise _diagnose(line)


def _diagnose(line: str) -> ClientError:
    """Returns the error for a line that neither form matches."""
    words = line.replace(",", " ").split()
    if words and words[0].isalpha():
        name = words[0].lower()
        if name not in NAMES:
            return ExpressionError(f"unknown operation {words[0]!r}: there are add, sub, mul and div")
        if len(words) != 3:
            return ExpressionError(f"{name} takes two numbers: {name} 2 3")
    for token in re.findall(r"\d[\w.]*", line):
        if not re.fullmatch(r"[0-9]+", token):
            return ExpressionError(f"{token!r} is not a whole decimal number")
        if len(token) > 32:
            return OperandRangeError("an operand does not fit 32 bits: write -2147483648 to 2147483647")
    return ExpressionError(f"{line.strip()!r} is not understood: write add 2 3 or 2 + 3")
