"""Makes the manual pages, the shells' completions and the journal's catalog of what is said once elsewhere.

usage: generate.py FOLDER

Settings come from calcd.settings.table, options from the parsers of both programs, commands from
calcd.protocol.resp.commands, messages from calcd.log.messages. A row there that lacks a text which is
needed here ends this program with a message that names it.
"""

import argparse
import enum
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import calcd
from calcd.client.program import arguments as client
from calcd.client.program import exit_status, grammar
from calcd.launch import options
from calcd.log import messages
from calcd.log.messages import Message
from calcd.protocol.resp.command import Argument, Command
from calcd.protocol.resp.commands import COMMANDS
from calcd.settings import values
from calcd.settings.setting import Setting
from calcd.settings.table import ROWS
from calcd.supervisor import failure
from calcd.supervisor.counts import connections
from calcd.supervisor.published import table

SOURCES = Path(__file__).parent
# How calcd.conf(5) calls, and explains, what the functions of calcd.settings read.
KINDS = {
    "parse_addresses": "addresses",
    "parse_span": "a span of time",
    "parse_timeout": "a time limit",
    "parse_count": "a limit",
    "parse_backlog": "a number",
    "parse_protocols": "names",
    "parse_spare": "a small number",
    "parse_boolean": "yes or no",
    "parse_mode": "a file mode",
    "parse_memory": "a size",
    "parse_networks": "networks",
    "parse_path": "a path",
    "str": "a name",
    "one_of": "a word",
}
# What completes a value, by what the help calls it. A value that has no line here nobody can guess.
BASH = {
    "FILE": "_filedir",
    "PATH": "_filedir",
    "USER": 'COMPREPLY=($(compgen -u -- "$cur"))',
    "GROUP": 'COMPREPLY=($(compgen -g -- "$cur"))',
    "ADDRESS": "_@FUNCTION@_address",
    "SERVER": "_@FUNCTION@_address",
}
ZSH = {
    "FILE": "_files",
    "PATH": "_files",
    "USER": "_users",
    "GROUP": "_groups",
    "ADDRESS": "_@FUNCTION@_address",
    "SERVER": "_@FUNCTION@_address",
}
FISH = {
    "FILE": "-F",
    "PATH": "-F",
    "USER": "-x -a '(__fish_complete_users)'",
    "GROUP": "-x -a '(__fish_complete_groups)'",
    "ADDRESS": "-x -a '(__@FUNCTION@_address)'",
    "SERVER": "-x -a '(__@FUNCTION@_address)'",
}


class Option(NamedTuple):
    """An option of either program."""

    names: tuple[str, ...]
    metavar: str | None  # of its value, if it takes one
    help: str
    choices: tuple[str, ...] = ()  # of the value
    is_repeatable: bool = False
    excludes: tuple[str, ...] = ()  # other options
    takes_operands: bool = False  # as more values


def main() -> None:
    folder = Path(sys.argv[1])
    for page in sorted(SOURCES.glob("man/*.in")):
        write(folder / "man" / page.stem, fill(page.read_text(), manual_parts()))
    for program, its_options, operations in (
        ("calcd", options_of(options.make_parser()), ()),
        ("calc-client", clients_options(), (*grammar.NAMES, *client.COMMANDS)),
    ):
        for shell, name in (
            ("bash", f"{program}.bash"),
            ("zsh", f"_{program}"),
            ("fish", f"{program}.fish"),
        ):
            template = (SOURCES / f"completions/{shell}.in").read_text()
            parts = completion_parts(program, its_options, operations)
            write(folder / "completions" / name, fill(fill(template, parts), parts))
    write(folder / "calcd.catalog", catalog())


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def fill(template: str, parts: Mapping[str, str]) -> str:
    """Puts the parts where their names stand between @ and @. Raises KeyError."""
    return re.sub("@([A-Z_]+)@", lambda match: parts[match[1]], template)


def options_of(parser: argparse.ArgumentParser) -> list[Option]:
    # argparse has no public way to ask for these; all that completes or documents its parsers reads them.
    found = []
    for action in parser._actions:
        setting = ROWS.get(action.dest)
        group = next((g for g in parser._mutually_exclusive_groups if action in g._group_actions), None)
        found.append(
            Option(
                names=tuple(action.option_strings),
                metavar=str(action.metavar) if action.metavar else None,
                help=str(action.help).replace("%%", "%"),
                choices=choices(setting) if setting else (),
                is_repeatable=setting is not None and setting.repeatable,
                excludes=tuple(
                    name
                    for a in (group._group_actions if group else ())
                    if a != action
                    for name in a.option_strings
                ),
            )
        )
    return found


def clients_options() -> list[Option]:
    return [
        Option(o.names, o.metavar, o.help, is_repeatable=o.takes_operands, takes_operands=o.takes_operands)
        for o in client.OPTIONS
    ]


def choices(setting: Setting[Any]) -> tuple[str, ...]:
    if not isinstance(setting.parse, values.one_of):
        return ()
    words: type[enum.StrEnum] = setting.parse.choices
    return tuple(words)


# Manual pages, in mdoc(7) ------------------------------------------------------------------------------


def manual_parts() -> dict[str, str]:
    return {
        "VERSION": calcd.__version__,
        "CALCD_OPTIONS": "\n".join(map(option_item, options_of(options.make_parser()))),
        "CALCD_STATUSES": statuses(failure.MEANINGS),
        "CLIENT_OPTIONS": "\n".join(map(option_item, clients_options())),
        "CLIENT_STATUSES": statuses(exit_status.MEANINGS),
        "SETTINGS": "\n".join(map(setting_item, ROWS.values())),
        "ENDINGS": "\n".join(
            f".It\n{prose(ending)}" for ending in (connections.ENDINGS | connections.CUT_OFFS).values()
        ),
        "INFO_FIELDS": "\n".join(
            info_section(name) for name in dict.fromkeys(row.section for row in table.ROWS)
        ),
        "METRICS": "\n".join(metric_item(row) for row in table.ROWS if row.metric),
        "EXAMPLE": literal((SOURCES / "man/example.c").read_text()),
        "RESP_EXAMPLE_C": literal((SOURCES / "man/example_resp.c").read_text()),
        "RESP_EXAMPLE_PYTHON": literal((SOURCES / "man/example_resp.py").read_text()),
        "COMMANDS": "\n".join(map(command_item, typed_commands())),
    }


def option_item(option: Option) -> str:
    flags = " , ".join("Fl " + name[1:].replace("-", "\\-") for name in option.names)
    value = f" Ar {option.metavar}" if option.metavar else ""
    return f".It {flags}{value}\n{prose(option.help)}"


def setting_item(setting: Setting[Any]) -> str:
    about = [
        f"Value: {kind(setting)}.",
        f"Default: {setting.default or 'empty'}.",
        "A reload puts a change in force." if setting.reloadable else "A change needs a restart.",
    ]
    if setting.option:
        about.append(f"Option: {setting.option}.")
    return f".It Cm {setting.name}=\n{prose(setting.help)}\n.Pp\n{prose(' '.join(about))}"


def info_section(name: str) -> str:
    rows = [row for row in table.ROWS if row.section == name and row.info]
    items = "\n".join(f".It {row.info.format('KIND')}\n{prose(row.help)}" for row in rows)
    return f".It Sy {name}\n.Bl -tag -width Ds -compact\n{items}\n.El"


def metric_item(row: table.Row) -> str:
    labels = "{" + ",".join(row.labels) + "}" if row.labels else ""
    return f".It {row.metric}{labels}\n{prose(row.help)}"


def typed_commands() -> Iterator[Command]:
    """All that can be typed: a command that has subcommands may be none by itself."""
    for command in COMMANDS.values():
        if command.arity != -2 or not command.subcommands:
            yield command
        yield from command.subcommands.values()


def command_item(command: Command) -> str:
    name = command.name.upper().replace("|", " ")
    return f".It {' '.join([f'Cm {name}', *map(argument, command.arguments)])}\n{prose(command.summary)}"


def argument(given: Argument) -> str:
    words = " ".join(map(argument, given.arguments)) or f"Ar {given.name}"
    if given.keyword:
        words = f"Cm {given.keyword} {words}"
    if given.is_multiple:
        words += f" Oo {words} ... Oc"
    return f"Oo {words} Oc" if given.is_optional else words


def kind(setting: Setting[Any]) -> str:
    parse = setting.parse
    name = getattr(parse, "__qualname__", type(parse).__name__).partition(".")[0]
    if name not in KINDS:
        sys.exit(
            f"{setting.name}= is read by {name}: give that a name in KINDS of {__file__}, and explain it "
            f"under VALUES in {SOURCES}/man/calcd.conf.5.in"
        )
    return KINDS[name]


def statuses(meanings: Mapping[Any, str]) -> str:
    return "\n".join(f".It {status:d}\n{prose(meaning)}" for status, meaning in meanings.items())


def prose(text: str) -> str:
    """Text, each sentence on a line of its own."""
    sentences = re.sub(r"(?<=[.?!]) +", "\n", literal(text).replace("\\-", "-"))
    # An option is for copying; other hyphens may be breaking points of a line.
    return re.sub(r"(?<![\w-])-[\w-]*", lambda option: option[0].replace("-", "\\-"), sentences)


def literal(text: str) -> str:
    """Text as it is: groff_char(7) says which characters mean others in a manual page."""
    for character, escape in {
        "\\": "\\e",
        "-": "\\-",
        "'": "\\(aq",
        "`": "\\(ga",
        "^": "\\(ha",
        "~": "\\(ti",
    }.items():
        text = text.replace(character, escape)
    return re.sub(r"^\.", r"\\&.", text.rstrip("\n"), flags=re.MULTILINE)


# Completions -------------------------------------------------------------------------------------------


def completion_parts(
    program: str, its_options: Sequence[Option], operations: Sequence[str]
) -> dict[str, str]:
    with_value = [option for option in its_options if option.metavar]
    specs = [spec for option in its_options for spec in zsh_options(option)]
    if operations:
        specs.append(f"'1:operand: _@FUNCTION@_operand {' '.join(operations)}'")
        specs.append("'*:operand: _@FUNCTION@_operand'")
    words = [name for option in with_value for name in option.names]
    fish = [fish_option(option) for option in its_options]
    if operations:
        fish.append(f"-n __@FUNCTION@_wants_operation -a '{' '.join(operations)}'")
        fish.append("-n __@FUNCTION@_wants_files -F")
    return {
        "PROGRAM": program,
        "FUNCTION": program.replace("-", "_"),
        "OPERATIONS": " ".join(operations),
        "OPTIONS": " ".join(name for option in its_options for name in option.names),
        "WITH_VALUE": " | ".join(words),
        "WITH_VALUE_WORDS": " ".join(words),
        "TAKES_OPERANDS": "|".join(name for o in its_options if o.takes_operands for name in o.names),
        "BASH_VALUES": "\n".join(map(bash_value, with_value)),
        "FISH_ARGUMENTS": "\n".join(f"complete -c {program} {arguments}" for arguments in fish),
        "ZSH_ARGUMENTS": " \\\n".join(f"    {spec}" for spec in specs),
    }


def bash_value(option: Option) -> str:
    words = f"COMPREPLY=($(compgen -W '{' '.join(option.choices)}' -- \"$cur\"))" if option.choices else ""
    action = words or BASH.get(str(option.metavar), ":")
    return f"        {' | '.join(option.names)}) {action}; return ;;"


def zsh_options(option: Option) -> Iterator[str]:
    """For _arguments: zshcompsys(1)."""
    about = re.sub(r"([][\\:])", r"\\\1", first_sentence(option)).replace("'", "'\\''")
    for name in option.names:
        others = [other for other in (*option.names, *option.excludes) if other != name]
        excludes = "*" if option.is_repeatable else f"({' '.join(others)})" if others else ""
        value = sign = ""
        if option.metavar:
            action = f"({' '.join(option.choices)})" if option.choices else ZSH.get(option.metavar, " ")
            value = f":{option.metavar}:{action}"
            sign = "=" if name.startswith("--") else "+"
        yield f"'{excludes}{name}{sign}[{about}]{value}'"


def fish_option(option: Option) -> str:
    """For complete: https://fishshell.com/docs/current/cmds/complete.html."""
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    value = ""
    if option.metavar:
        words = f"-x -a '{' '.join(option.choices)}'" if option.choices else ""
        value = " " + (words or f"-r {FISH.get(option.metavar, '-x')}")
    about = first_sentence(option).replace("\\", "\\\\").replace("'", "\\'")
    return f"{' '.join(names)}{value} -d '{about}'"


def first_sentence(option: Option) -> str:
    return option.help.partition(". ")[0].rstrip(".")


# The journal's catalog ---------------------------------------------------------------------------------


def catalog() -> str:
    """https://systemd.io/CATALOG"""
    rows = [value for value in vars(messages).values() if isinstance(value, Message)]
    return "\n".join(map(entry, rows))


def wrap(line: str) -> str:
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(line, 76, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def entry(message: Message) -> str:
    fields = {name: f"@CALCD_{name.upper()}@" for name in re.findall(r"\{(\w+)\}", message.text)}
    lines = f"{message.meaning}\n\n{message.remedy}".split("\n")
    try:
        # Filled in afterwards: a value is about as long as the name in braces, and the lines come out even.
        explanation = "\n".join(wrap(line) for line in lines).format_map(fields)
    except KeyError as error:
        sys.exit(f"the message {message.subject!r} is explained with {error}, which is no field of its text")
    return "\n".join(
        (
            f"-- {message.id}",
            f"Subject: {message.subject}",
            "Defined-By: calcd",
            "Documentation: man:calcd(8)",
            "",
            explanation,
            "",
        )
    )


if __name__ == "__main__":
    main()
