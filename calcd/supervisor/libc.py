"""System calls that Python has no function for."""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> int:
    """prctl(2) with one argument. Raises OSError."""
    zero = ctypes.c_ulong(0)
    return check("prctl", libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero))


def check(call: str, result: int) -> int:
    """What a function of libc's has returned. Raises OSError when that says that it failed."""
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{call}: {os.strerror(error)}")
    return result
