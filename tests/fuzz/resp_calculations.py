"""What the four operations come to, with Python's integers and fractions."""

import math
import re
from fractions import Fraction

from fuzz.resp_replies import TalkError, number


class Calculations:
    """ADD, SUB, MUL and DIV."""

    @staticmethod
    def _operands(words: tuple[bytes, ...]) -> list[int]:
        if len(words) > 64:
            raise TalkError("TOOBIG a command has at most 64 operands")
        for position, word in enumerate(words, 1):
            if not re.fullmatch(rb"-?[0-9]+", word):
                raise TalkError(f"NOTINT operand {position} is not an integer in decimal digits")
            if not re.fullmatch(rb"-?[0-9]{1,1024}", word):
                raise TalkError(f"TOOBIG operand {position} has more than 1024 digits")
        return [int(word) for word in words]

    def do_add(self, *words: bytes) -> bytes:
        total = 0
        for each in self._operands(words):
            total += each
        return number(total)

    def do_sub(self, *words: bytes) -> bytes:
        first, second = self._operands(words)
        return number(first + -second)

    def do_mul(self, *words: bytes) -> bytes:
        result = 1
        for each in self._operands(words):
            result *= each
        if abs(result) >= 10**2048:
            raise TalkError("TOOBIG the result has more than 2048 digits")
        return number(result)

    def do_div(self, *words: bytes) -> bytes:
        first, second = self._operands(words)
        if second == 0:
            raise TalkError("DIVBYZERO division by zero")
        return number(math.trunc(Fraction(first, second)))
