"""Marks all objects as immortal, so that handlers do not write to what they share with the listener.

1.  Python counts the references to an object in the object itself. So a handler that only looks at one writes
    to its memory: a page fault, and a page copied. From Python 3.12 on (PEP 683), some objects are immortal,
    None for example: their counts have a number that says so, and are not written to. Any object can have it.
    With Python 3.13, a third of a handler's page faults and of its memory are for counts.
2.  The number differs between versions of Python, and where it stands between builds. So it is taken from
    None, and tried on an object that nobody needs. If it does not do what it should, nothing is marked.
3.  The end of an immortal object never comes, because its count never is 0. So this is for what lives as long
    as the process. Its memory goes with the process.
"""

from __future__ import annotations

import gc
import sys

from calcd.linux.libc import UnsignedInt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_CODE = type((lambda: None).__code__)
_FRAME = type(sys._getframe())


def are_offered() -> bool:
    """Whether this Python has immortal objects, and takes those for some that are marked as None is."""
    mortal = object()
    if not _is_counted(mortal) or _is_counted(None):
        return False
    _count(mortal).value = _count(None).value
    return not _is_counted(mortal)


def mark() -> None:
    """Marks what is alive, if this Python offers it: all that the collector knows, and what it refers to."""
    if not are_offered():
        return
    gc.collect()  # what is dead shall end
    immortal = _count(None).value
    types = set()  # those of the interpreter are immortal as they are, and what is in them is not
    found = gc.get_objects()
    marked = []
    while found:
        each = found.pop()
        if issubclass(type(each), type):
            if each in types:
                continue
            types.add(each)
        elif _count(each).value == immortal or type(each) is _FRAME:
            continue
        _count(each).value = immortal
        marked.append(each)
        found += _parts(each)
    # In Python 3.14, what was counted on the interpreter's stack before, as above, is counted back behind it.
    for each in marked:
        _count(each).value = immortal


def _parts(whole: object) -> Iterable[object]:
    if type(whole) is _CODE:  # the collector does not know what is in it
        return (
            *(whole.co_consts, whole.co_names, whole.co_linetable, whole.co_exceptiontable),
            *(whole.co_filename, whole.co_name, whole.co_qualname),
        )
    if issubclass(type(whole), type):
        return *gc.get_referents(whole), *gc.get_referents(whole.__dict__)
    return gc.get_referents(whole)


def _is_counted(thing: object) -> bool:
    before: int = _count(thing).value
    references = [thing] * 10
    after: int = _count(references[0]).value
    return before != after


def _count(thing: object) -> UnsignedInt:
    """The 32 bits by which all versions tell whether an object is immortal."""
    return UnsignedInt.from_address(id(thing))
