"""Typed records as JSON, for a supervisor that hands over to a newer or an older one.

A record is a dataclass or a NamedTuple. Its fields are numbers, texts, bytes, booleans, None, paths, records,
lists, and dictionaries by text or whole number.

1.  A field that the reader does not know is left out, and one that is missing has its default. So a newer
    calcd can add a field that has a default, and an older one still understands it.
2.  Anything else that is not as the reader expects it is a ValueError that names the place.
"""

import base64
import dataclasses
import functools
import typing
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NewType, TypeVar

# ruff: noqa: ANN401 - no type says what a type is

Fd = NewType("Fd", int)
"""A file descriptor, which the reader shall have open under the same number."""

T = TypeVar("T")


def to_json(value: object) -> Any:
    """Returns what json.dumps() takes."""
    kind: Any = type(value)
    if fields := _fields(kind):
        return {name: to_json(getattr(value, name)) for name in fields}
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case Path():
            return str(value)
        case list() | tuple():
            return [to_json(each) for each in value]
        case dict():
            return {str(key): to_json(each) for key, each in value.items()}
    return value


def from_json(kind: type[T], value: object, place: str = "state") -> T:
    """Returns the record of this type that to_json() was given. Raises ValueError."""
    return typing.cast(T, _read(kind, value, place))


def file_descriptors(kind: Any, value: object) -> Iterator[Fd]:
    """Yields all file descriptors in a value of this type."""
    if value is None:
        return
    if kind is Fd:
        yield typing.cast(Fd, value)
    elif fields := _fields(kind):
        for name, each in fields.items():
            yield from file_descriptors(each, getattr(value, name))
    elif typing.get_origin(kind) is list:
        for element in typing.cast(list[object], value):
            yield from file_descriptors(typing.get_args(kind)[0], element)
    elif _is_union(kind):
        yield from file_descriptors(_without_none(kind), value)


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    """Returns the types of a record's fields by name; nothing if the type is no record."""
    is_record = dataclasses.is_dataclass(kind) or hasattr(kind, "_fields")
    return typing.get_type_hints(kind) if is_record else {}


def _with_default(kind: Any) -> set[str]:
    """Returns the names of a record's fields that have a default."""
    if not dataclasses.is_dataclass(kind):
        return set(kind._field_defaults)
    return {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    }


def _is_union(kind: Any) -> bool:
    # Which of the two it is depends on the type beside None, and on the version of Python.
    return typing.get_origin(kind) in (typing.Union, UnionType)


def _without_none(kind: Any) -> Any:
    (only,) = (each for each in typing.get_args(kind) if each is not NoneType)
    return only


def _read(kind: Any, value: object, place: str) -> object:
    if _is_union(kind):
        return None if value is None else _read(_without_none(kind), value, place)
    if fields := _fields(kind):
        given = _checked(dict, value, place)
        missing = sorted(fields.keys() - given.keys() - _with_default(kind))
        if missing:
            raise ValueError(f"{place} lacks {', '.join(missing)}")
        known = {name: each for name, each in fields.items() if name in given}
        return kind(**{name: _read(each, given[name], f"{place}.{name}") for name, each in known.items()})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return [
            _read(arguments[0], each, f"{place}[{at}]")
            for at, each in enumerate(_checked(list, value, place))
        ]
    if origin is dict:
        key, element = arguments
        given = _checked(dict, value, place)
        return {key(name): _read(element, each, f"{place}[{name}]") for name, each in given.items()}
    return _read_simple(kind, value, place)


def _read_simple(kind: Any, value: object, place: str) -> object:
    if kind is bytes:
        return base64.b64decode(_checked(str, value, place), validate=True)
    if kind is Path:
        return Path(_checked(str, value, place))
    if kind is float and isinstance(value, int):
        return float(value)
    return _checked(int if kind is Fd else kind, value, place)


def _checked(kind: type[T], value: object, place: str) -> T:
    # JSON has booleans of their own, which for Python are numbers.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{place} is not a {kind.__name__}")
    return value
