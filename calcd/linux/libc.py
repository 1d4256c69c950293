"""The C library, for system calls for which Python has no function.

1.  The module uses _ctypes, the C module under ctypes, because the listener does. From Python 3.14 on, ctypes
    imports sysconfig, and so threading. It also makes some forty types that nobody needs here.
2.  The functions keep the interpreter's lock during a call: a calcd process has one thread.
"""

import os
from _ctypes import (
    FUNCFLAG_CDECL,
    FUNCFLAG_PYTHONAPI,
    FUNCFLAG_USE_ERRNO,
    CFuncPtr,
    _SimpleCData,
    dlopen,
    dlsym,
    get_errno,
)

# dlopen(3): NULL is the program, with its libraries. typeshed knows of files alone.
_program = dlopen(None)  # type: ignore[arg-type]


# A base class that takes an argument is the type checker's idea.
class Char(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "c"


class UnsignedInt(_SimpleCData):  # type: ignore[type-arg]
    """Of 32 bits, wherever Linux runs."""

    _type_ = "I"


class UnsignedLong(_SimpleCData):  # type: ignore[type-arg]
    """Wide enough for an address, as for a size, wherever Linux runs."""

    _type_ = "L"


class _Function(CFuncPtr):
    _flags_ = FUNCFLAG_CDECL | FUNCFLAG_PYTHONAPI | FUNCFLAG_USE_ERRNO


class _BareFunction(CFuncPtr):
    _flags_ = FUNCFLAG_CDECL | FUNCFLAG_PYTHONAPI


def address_of(name: str) -> int:
    """Of a function, in the program or a library of its. Raises OSError when there is none."""
    return dlsym(_program, name)


class _Library:
    """Its functions are its attributes. They return an int where nobody says otherwise."""

    def __init__(self, kind: type[CFuncPtr]) -> None:
        self._kind = kind

    def __getattr__(self, name: str) -> CFuncPtr:
        function = self._kind(address_of(name))
        setattr(self, name, function)
        return function


libc = _Library(_Function)
"""For calls that can fail: check() raises the error that get_errno() returns."""

bare_libc = _Library(_BareFunction)
"""For a handler, in which saving the errno would touch memory that nothing else touches."""


def check(call: str, result: int) -> int:
    """Returns the result of a function of libc. Raises OSError if the result is negative."""
    if result < 0:
        error = get_errno()
        raise OSError(error, f"{call}: {os.strerror(error)}")
    return result
