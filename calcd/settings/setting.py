"""The type of the rows in calcd.settings.table."""

import dataclasses
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(Generic[T]):
    """A row of the table.

    The value of a repeatable setting is a tuple. The first assignment replaces the default, further ones add
    to the tuple, and an empty one empties it.
    """

    name: str
    parse: Callable[[str], T]
    format: Callable[[T], str]
    default: str
    reloadable: bool
    repeatable: bool = False
    option: str | None = None
    metavar: str | None = None
    help: str


def row(setting: Setting[T]) -> T:
    """Returns the dataclass field for a setting's value, with the setting itself as metadata."""
    return dataclasses.field(default=setting.parse(setting.default), metadata={"setting": setting})
