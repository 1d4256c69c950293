"""The commands, as COMMAND, COMMAND DOCS and HELP describe them.

1.  redis-cli ends with an assertion where a name or a text is not a bulk string, or a flag is one.
2.  Each part is made once, when it is first asked for: no line of five bytes costs calcd much more time than
    another.
"""

from __future__ import annotations

from calcd.protocol.resp.replies import array, bulk, integer, mapping, null, simple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from calcd.protocol.resp.command import Argument, Command

# The version of calcd that brought all of them.
_SINCE = b"0.1.0"
_FLAGS = ("loading", "stale", "fast")

_made: dict[tuple[Callable[[Command, int], bytes], str, int], bytes] = {}


def entry(command: Command | None, version: int) -> bytes:
    """The ten elements of COMMAND INFO; null for no command."""
    return _once(_entry, command, version) if command else null(version)


def docs(commands: Iterable[Command], version: int) -> bytes:
    """The names, and what COMMAND DOCS says of each."""
    parts = []
    for command in commands:
        parts += [bulk(command.name.encode()), _once(_docs, command, version)]
    return mapping(version, parts)


def usages(commands: Iterable[Command]) -> bytes:
    """Lines for people, one for each command and subcommand."""
    lines = []
    for command in commands:
        lines.append(_once(_usage, command, 2))
        lines += [_once(_usage, each, 2) for each in command.subcommands.values()]
    return array(lines)


def _once(make: Callable[[Command, int], bytes], command: Command, version: int) -> bytes:
    key = make, command.name, version
    if key not in _made:
        _made[key] = make(command, version)
    return _made[key]


def _entry(command: Command, version: int) -> bytes:
    flags = array([simple(flag) for flag in _FLAGS])
    none = array([])
    return array(
        [
            bulk(command.name.encode()),
            integer(command.arity),
            flags if version == 2 else b"~" + flags[1:],  # a set
            *(integer(0), integer(0), integer(0)),  # keys: the first, the last, the step
            *(none, none, none),  # ACL categories, tips, key specifications
            array([_entry(each, version) for each in command.subcommands.values()]),
        ]
    )


def _docs(command: Command, version: int) -> bytes:
    parts = [
        *(bulk(b"summary"), bulk(command.summary.encode())),
        *(bulk(b"since"), bulk(_SINCE)),
        *(bulk(b"group"), bulk(command.group.encode())),
    ]
    if command.arguments:
        parts += [bulk(b"arguments"), _arguments(command.arguments, version)]
    if command.subcommands:
        parts += [bulk(b"subcommands"), docs(command.subcommands.values(), version)]
    return mapping(version, parts)


def _arguments(arguments: Iterable[Argument], version: int) -> bytes:
    described = []
    for argument in arguments:
        parts = [bulk(b"name"), bulk(argument.name.encode()), bulk(b"type"), bulk(argument.type.encode())]
        if argument.keyword:
            parts += [bulk(b"token"), bulk(argument.keyword.encode())]
        flags = [simple("optional")] * argument.is_optional + [simple("multiple")] * argument.is_multiple
        if flags:
            parts += [bulk(b"flags"), array(flags)]
        if argument.arguments:
            parts += [bulk(b"arguments"), _arguments(argument.arguments, version)]
        described.append(mapping(version, parts))
    return array(described)


def _usage(command: Command, _version: int) -> bytes:
    return simple(f"{command.usage}: {command.summary}")
