"""The C library, called by ctypes, for system calls for which Python has no function.

Both objects keep the interpreter's lock during a call: a calcd process has one thread.
"""

import ctypes
import os

libc = ctypes.PyDLL(None, use_errno=True)
"""For calls that can fail: check() raises the error that ctypes.get_errno() returns."""

bare_libc = ctypes.PyDLL(None)
"""For a handler, in which saving the errno would touch memory that nothing else touches."""


def check(call: str, result: int) -> int:
    """Returns the result of a function of libc. Raises OSError if the result is negative."""
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{call}: {os.strerror(error)}")
    return result
