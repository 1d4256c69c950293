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
    # Truncated as C does it, and exact: a double's error in a quotient of 32-bit numbers is at most
    # 2**-22 / abs(b), and a quotient that is not a whole number is at least 1 / abs(b) from one.
    return wrap(int(a / b))
