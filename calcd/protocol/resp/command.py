"""What is said once of a command, and how its arguments are written."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from calcd.protocol.resp.client import Client

    Run = Callable[[Client, list[bytes]], bytes]


class Argument:
    """An argument, as COMMAND DOCS describes it: type is one of Redis's, for example "integer"."""

    __slots__ = ("arguments", "is_multiple", "is_optional", "keyword", "name", "type")

    def __init__(
        self,
        name: str,
        type: str = "string",  # noqa: A002 - as COMMAND DOCS calls it
        *,
        keyword: str = "",
        is_optional: bool = False,
        is_multiple: bool = False,
        arguments: tuple[Argument, ...] = (),
    ) -> None:
        self.name = name
        self.type = type
        self.keyword = keyword  # "token" in COMMAND DOCS
        self.is_optional = is_optional
        self.is_multiple = is_multiple
        self.arguments = arguments

    def __str__(self) -> str:
        text = " ".join(map(str, self.arguments)) or self.name
        if self.keyword:
            text = f"{self.keyword} {text}"
        if self.is_multiple:
            text = f"{text} [{text} ...]"
        return f"[{text}]" if self.is_optional else text


class Command:
    """A command, or a subcommand. An arity counts the command's name, and the subcommand's; -n is n or more.

    run takes the client and the words, which are as many as the arity says, and returns the reply or raises
    CommandError. Within a transaction it waits for EXEC, unless it is immediate.
    """

    __slots__ = ("arguments", "arity", "group", "is_immediate", "name", "run", "subcommands", "summary")

    def __init__(
        self,
        name: str,
        arity: int,
        run: Run,
        summary: str,
        *,
        group: str = "connection",
        arguments: tuple[Argument, ...] = (),
        subcommands: tuple[Command, ...] = (),
        is_immediate: bool = False,
    ) -> None:
        self.name = name  # "client", and "client|id" of a subcommand
        self.arity = arity
        self.run = run
        self.summary = summary
        self.group = group
        self.arguments = arguments
        self.subcommands = {row.name.partition("|")[2].encode(): row for row in subcommands}
        self.is_immediate = is_immediate

    @property
    def usage(self) -> str:
        """As it is typed: "ADD number number [number ...]"."""
        return " ".join([self.name.upper().replace("|", " "), *map(str, self.arguments)])

    def takes(self, count: int) -> bool:
        """Whether the command can have so many words."""
        return count == self.arity if self.arity > 0 else count >= -self.arity
