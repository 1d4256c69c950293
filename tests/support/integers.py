"""A C int, as on x86-64 Linux."""

import ctypes

INT_MIN = -(1 << 31)
INT_MAX = (1 << 31) - 1


def c_int(value: int) -> int:
    """The one that has the same low 32 bits as value."""
    return ctypes.c_int32(value & 0xFFFFFFFF).value
