"""The four operations on signed 32-bit integers, as C on x86-64 Linux answers them.

Where C leaves the answer undefined (an overflow), these wrap: two's complement, what every compiler
that calcd's clients were built with does in practice.
"""

INT_MIN = -(1 << 31)
INT_MAX = (1 << 31) - 1


def wrap(value: int) -> int:
    """The signed 32-bit integer that has the same low 32 bits as value."""
    return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


def add(a: int, b: int) -> int:
    return wrap(a + b)


def sub(a: int, b: int) -> int:
    return wrap(a - b)


def mul(a: int, b: int) -> int:
    return wrap(a * b)


def div(a: int, b: int) -> int:
    """The quotient, truncated toward zero; INT_MIN / -1 wraps to INT_MIN.

    Raises ZeroDivisionError when b is 0.
    """
    # Python's // rounds down and C's / cuts off, so divide the magnitudes.
    quotient = abs(a) // abs(b)
    return wrap(quotient if (a < 0) == (b < 0) else -quotient)
