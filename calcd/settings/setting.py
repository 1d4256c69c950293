"""What is to be known about a setting, as a row of calcd.settings.table has it."""

import dataclasses
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(Generic[T]):
    """A row of the table.

    A repeatable setting's value is a tuple: assignments add to it, an empty one empties it, and the first
    takes the place of the default.
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
    """The dataclass field that holds a setting's value, and the setting itself as metadata."""
    return dataclasses.field(default=setting.parse(setting.default), metadata={"setting": setting})
