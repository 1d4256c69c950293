"""The C library, for the system calls that Python has no function for: ctypes.

Both keep the interpreter's lock during a call: a process of calcd's has one thread.
"""

import ctypes
import os

libc = ctypes.PyDLL(None, use_errno=True)
"""For calls that can fail: check() raises what ctypes.get_errno() says."""

bare_libc = ctypes.PyDLL(None)
"""For a handler, in which the errno would touch memory that nothing else does."""


def check(call: str, result: int) -> int:
    """Returns what a function of libc's has returned. Raises OSError when that says that it failed."""
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{call}: {os.strerror(error)}")
    return result
