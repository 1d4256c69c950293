"""Operands and arithmetic, on integers of any size within limits.

1.  An operand is -?[0-9]{1,1024}, in ASCII. int() takes more than that, so the bytes are looked at first.
2.  Whether a product is too big follows from the lengths of its factors, so nobody can have calcd multiply
    what it would refuse. All numbers are below Python's own limit of 4,300 digits, beyond which int() and
    str() raise ValueError.
"""

from math import prod

from calcd.protocol.resp.errors import CommandError

MAX_OPERANDS = 64
MAX_DIGITS = 1024
MAX_RESULT_DIGITS = 2048
_RESULTS_END = 10**MAX_RESULT_DIGITS
_RESULT_BITS = _RESULTS_END.bit_length()


def operands(words: list[bytes]) -> list[int]:
    """The operands behind a command's name.

    Raises CommandError (NOTINT, TOOBIG) for the first that is none, and for too many.
    """
    if len(words) > MAX_OPERANDS + 1:
        raise CommandError(f"TOOBIG a command has at most {MAX_OPERANDS} operands")
    numbers = []
    for position, word in enumerate(words[1:], start=1):
        digits = word[1:] if word.startswith(b"-") else word
        if not digits.isdigit():  # of bytes: the ASCII digits alone
            raise CommandError(f"NOTINT operand {position} is not an integer in decimal digits")
        if len(digits) > MAX_DIGITS:
            raise CommandError(f"TOOBIG operand {position} has more than {MAX_DIGITS} digits")
        numbers.append(int(word))
    return numbers


def product(factors: list[int]) -> int:
    """Raises CommandError (TOOBIG) if the product has too many digits."""
    if 0 in factors:
        return 0
    # A factor of n bits is at least 2**(n - 1).
    least_bits = sum(factor.bit_length() - 1 for factor in factors)
    if least_bits < _RESULT_BITS:
        result = prod(factors)
        if -_RESULTS_END < result < _RESULTS_END:
            return result
    raise CommandError(f"TOOBIG the result has more than {MAX_RESULT_DIGITS} digits")


def quotient(dividend: int, divisor: int) -> int:
    """The quotient, truncated toward zero. Raises CommandError (DIVBYZERO)."""
    if not divisor:
        raise CommandError("DIVBYZERO division by zero")
    if (dividend < 0) == (divisor < 0):
        return dividend // divisor
    return -(-dividend // divisor)


def redis_integer(word: bytes) -> int | None:
    """A number of 64 bits as Redis reads those of its own commands: without leading zeros. Else None."""
    if len(word) > 20 or not word.removeprefix(b"-").isdigit():
        return None
    number = int(word)
    return number if b"%d" % number == word and -(1 << 63) <= number < 1 << 63 else None
