"""The settings: one table, from which files, options, help texts and samples are made.

The fields of Config are the rows of the table. Whatever a setting needs said about it is said there once.
A Config is never changed: a reload makes a new one.
"""

import argparse
import dataclasses
import difflib
import enum
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from calcd import values

# ruff: noqa: RUF009 - row() is a dataclass field specifier, which ruff cannot know

T = TypeVar("T")

SECTION = "[calcd]"


class Problem(NamedTuple):
    """One thing that is wrong with the settings, and where."""

    source: str  # a file, or a command line option
    line: int | None  # None for an option, and for a file that cannot be read
    message: str

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{where}: {self.message}"


class ConfigError(Exception):
    """The settings are not usable. problems has everything that is wrong, in the order it was read."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class LogLevel(enum.StrEnum):
    """From the most lines to the fewest; the names are syslog's."""

    DEBUG = "debug"
    INFO = "info"
    NOTICE = "notice"
    WARNING = "warning"
    ERR = "err"


class LogTarget(enum.StrEnum):
    AUTO = "auto"
    JOURNAL = "journal"
    SYSLOG = "syslog"
    STDERR = "stderr"


class LogConnections(enum.StrEnum):
    ALL = "all"
    ERRORS = "errors"
    NONE = "none"


# --- The table.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(Generic[T]):
    """A row: all that is to be known about a setting.

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The settings in force."""

    listen: tuple[values.Address, ...] = row(
        Setting(
            name="Listen",
            parse=values.parse_addresses,
            format=values.format_addresses,
            default="127.0.0.1:7070",
            reloadable=True,
            repeatable=True,
            option="--listen",
            metavar="ADDRESS",
            help="Where to listen: IPV4:PORT, [IPV6]:PORT or unix:/PATH. Can be given more than once. "
            "With port 0 the kernel picks one. Not used when systemd passes the sockets.",
        )
    )
    pid_file: Path | None = row(
        Setting(
            name="PidFile",
            parse=values.parse_path,
            format=values.format_path,
            default="/run/calcd/calcd.pid",
            reloadable=False,
            option="--pidfile",
            metavar="PATH",
            help="The file that holds the process ID. It is locked for as long as calcd runs, so that a "
            "second calcd with the same file does not start. Empty for none.",
        )
    )
    user: str = row(
        Setting(
            name="User",
            parse=str,
            format=str,
            default="",
            reloadable=False,
            option="--user",
            metavar="USER",
            help="The user, by name or number, to become once everything that needs root is done. "
            "Empty to stay who started calcd.",
        )
    )
    group: str = row(
        Setting(
            name="Group",
            parse=str,
            format=str,
            default="",
            reloadable=False,
            option="--group",
            metavar="GROUP",
            help="The group, by name or number, that goes with the user. Empty for the user's primary group.",
        )
    )
    backlog: int = row(
        Setting(
            name="Backlog",
            parse=values.parse_backlog,
            format=str,
            default="4096",
            reloadable=True,
            help="How many connections may wait in the kernel until calcd accepts them, for each address of "
            "Listen=. The kernel allows net.core.somaxconn at most. Not used when systemd passes the "
            "sockets: there it is Backlog= of the socket unit.",
        )
    )
    max_connections: float = row(
        Setting(
            name="MaxConnections",
            parse=values.parse_count,
            format=values.format_count,
            default="1000",
            reloadable=True,
            help="The most connections open at a time. Beyond it calcd accepts none, and new ones wait in "
            "the kernel until others end. Each takes a process: keep it below the unit's TasksMax=.",
        )
    )
    max_connections_per_source: float = row(
        Setting(
            name="MaxConnectionsPerSource",
            parse=values.parse_count,
            format=values.format_count,
            default="100",
            reloadable=True,
            help="The most connections open at a time from one source: an IPv4 address, or the first 64 bits "
            "of an IPv6 address. Further ones are closed at once.",
        )
    )
    max_rate_per_source: float = row(
        Setting(
            name="MaxRatePerSource",
            parse=values.parse_count,
            format=values.format_count,
            default="100",
            reloadable=True,
            help="The most new connections in a second from one source; so many may also come at once. "
            "Further ones are closed at once.",
        )
    )
    exempt_sources: tuple[values.Network, ...] = row(
        Setting(
            name="ExemptSources",
            parse=values.parse_networks,
            format=values.format_networks,
            default="127.0.0.0/8 ::1/128",
            reloadable=True,
            repeatable=True,
            help="Addresses and networks that the limits for a source do not hold for. Clients of Unix "
            "sockets are always exempt. Empty for none.",
        )
    )
    max_requests: float = row(
        Setting(
            name="MaxRequests",
            parse=values.parse_count,
            format=values.format_count,
            default=values.INFINITY,
            reloadable=True,
            help="The most requests that a connection may make. It is closed behind the last reply.",
        )
    )
    spare_handlers: int = row(
        Setting(
            name="SpareHandlers",
            parse=values.parse_spare,
            format=str,
            default="8",
            reloadable=True,
            help="How many handlers to fork ahead, so that a new connection need not wait for its own; when "
            "half of them are taken, others follow. With 0, a handler is forked when a connection waits for "
            "it. Handlers that are used again get no more beside them while they wait for processors "
            "themselves.",
        )
    )
    connections_per_handler: float = row(
        Setting(
            name="ConnectionsPerHandler",
            parse=values.parse_count,
            format=values.format_count,
            default="1",
            reloadable=True,
            help="How many connections a handler serves, one after the other, before another takes its "
            "place. 1 gives each connection a process of its own; with more, what a handler may take is for "
            "all of them together.",
        )
    )
    first_byte_timeout: float = row(
        Setting(
            name="FirstByteTimeout",
            parse=values.parse_timeout,
            format=values.format_timeout,
            default="1min",
            reloadable=True,
            help="How long a client may take from its connect to the first byte.",
        )
    )
    frame_timeout: float = row(
        Setting(
            name="FrameTimeout",
            parse=values.parse_timeout,
            format=values.format_timeout,
            default="10s",
            reloadable=True,
            help="How long a request may take from its first byte to its last.",
        )
    )
    idle_timeout: float = row(
        Setting(
            name="IdleTimeout",
            parse=values.parse_timeout,
            format=values.format_timeout,
            default="15min",
            reloadable=True,
            help="How long a client may be silent between two requests.",
        )
    )
    send_timeout: float = row(
        Setting(
            name="SendTimeout",
            parse=values.parse_timeout,
            format=values.format_timeout,
            default="1min",
            reloadable=True,
            help="How long a client may take to make room for the replies that calcd has ready for it.",
        )
    )
    connection_lifetime: float = row(
        Setting(
            name="ConnectionLifetime",
            parse=values.parse_timeout,
            format=values.format_timeout,
            default=values.INFINITY,
            reloadable=True,
            help="How long a connection may last, however busy it is. What has been asked by then is "
            "answered.",
        )
    )
    handler_cpu_time: float = row(
        Setting(
            name="HandlerCpuTime",
            parse=values.parse_timeout,
            format=values.format_timeout,
            default="1h",
            reloadable=True,
            help="The processor time that a connection's handler may take, in whole seconds; the kernel "
            "kills it then. In an hour it answers ten thousand million pipelined requests.",
        )
    )
    handler_memory: float = row(
        Setting(
            name="HandlerMemory",
            parse=values.parse_memory,
            format=values.format_size,
            default="64M",
            reloadable=True,
            help="The memory that a connection's handler may allocate (RLIMIT_DATA), and the listener with "
            "it. They take 8M, most of it shared.",
        )
    )
    drain_time: float = row(
        Setting(
            name="DrainTime",
            parse=values.parse_span,
            format=values.format_span,
            default="10s",
            reloadable=True,
            help="How long connections may take to end when calcd stops. Those still open then are cut off. "
            "Keep it below the service's TimeoutStopSec=.",
        )
    )
    log_level: LogLevel = row(
        Setting(
            name="LogLevel",
            parse=values.one_of(LogLevel),
            format=str,
            default="info",
            reloadable=True,
            option="--log-level",
            metavar="LEVEL",
            help=f"The least important messages to log: {', '.join(LogLevel)}.",
        )
    )
    log_target: LogTarget = row(
        Setting(
            name="LogTarget",
            parse=values.one_of(LogTarget),
            format=str,
            default="auto",
            reloadable=False,
            option="--log-target",
            metavar="TARGET",
            help=f"Where to log: {', '.join(LogTarget)}. auto is the journal for a service of systemd, "
            "standard error in the foreground, and syslog otherwise.",
        )
    )
    log_connections: LogConnections = row(
        Setting(
            name="LogConnections",
            parse=values.one_of(LogConnections),
            format=str,
            default="all",
            reloadable=True,
            help=f"Which connections to log: {', '.join(LogConnections)}. all logs when each one opens and "
            "ends; errors only the end of those that did not end well.",
        )
    )


SETTINGS: Mapping[str, Setting[Any]] = {
    field.name: field.metadata["setting"] for field in dataclasses.fields(Config)
}
"""The table's rows by the attribute of Config, in order."""

_ATTRIBUTES = {setting.name: attribute for attribute, setting in SETTINGS.items()}


# --- Files and options to a Config.


class _Assignment(NamedTuple):
    source: str
    line: int | None
    name: str
    text: str


class _Loader:
    """Reads on after a problem, so that one run reports them all."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.values: dict[str, Any] = {}

    def problem(self, source: str | Path, line: int | None, message: str) -> None:
        self.problems.append(Problem(str(source), line, message))

    def load_file(self, path: Path, *, required: bool = True) -> bool:
        """False when there is no such file."""
        try:
            data = path.read_bytes()
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            if required or not missing:
                self.problem(path, None, f"cannot be read: {error.strerror}")
            return not missing
        self.load_text(path, data)
        return True

    def load_drop_ins(self, folders: Sequence[Path]) -> None:
        """Loads *.conf of all folders, by name; of two with the same name, the one in the later folder."""
        found: dict[str, Path] = {}
        for folder in folders:
            try:
                entries = list(folder.iterdir())
            except FileNotFoundError:
                continue
            except OSError as error:
                self.problem(folder, None, f"cannot be read: {error.strerror}")
                continue
            # As a shell's *.conf does, this leaves out hidden files: an editor's, most likely.
            found |= {e.name: e for e in entries if e.name.endswith(".conf") and not e.name.startswith(".")}
        for _, path in sorted(found.items()):
            self.load_file(path)

    def load_text(self, path: Path, data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            self.problem(path, data.count(b"\n", 0, error.start) + 1, "is not UTF-8")
            return
        if text.startswith("\N{BYTE ORDER MARK}"):
            self.problem(path, 1, "starts with a byte order mark: save the file as UTF-8 without one")
            return
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            self.problem(path, line, "has a NUL character: it is not a text file")
            return
        for assignment in self.assignments(path, text):
            self.assign(assignment)

    def assignments(self, path: Path, text: str) -> Iterator[_Assignment]:
        """The assignments in a file.

        configparser reads this syntax as well, but gives no line numbers, stops at the first problem and
        keeps only the last of several assignments to a key.
        """
        section = None
        # Not splitlines(): that counts lines at form feeds and the like, which editors do not.
        for number, raw in enumerate(text.split("\n"), start=1):
            line = raw.strip()
            if not line or line[0] in "#;":
                continue
            if line[0] == "[":
                section = line
                if section != SECTION:
                    self.problem(path, number, f"unknown section {line}: the only one is {SECTION}")
                continue
            name, equals, value = line.partition("=")
            name = name.rstrip()
            if not (name and equals):
                self.problem(path, number, f"{line!r} is not an assignment: write Name=value")
                continue
            if section is None:
                self.problem(path, number, f"an assignment before any section: write {SECTION} above it")
                section = SECTION  # said once; go on with the rest of the file
            if section == SECTION:
                yield _Assignment(str(path), number, name, value)

    def assign(self, assignment: _Assignment) -> None:
        source, line, name, raw = assignment
        attribute = _ATTRIBUTES.get(name)
        if attribute is None:
            names = {known.lower(): known for known in _ATTRIBUTES}
            nearest = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0)[0]
            self.problem(source, line, f"unknown setting {name!r}: the nearest is {names[nearest]!r}")
            return
        setting = SETTINGS[attribute]
        text = raw.strip()
        try:
            # What cannot be printed could not be dumped and read again. Tabs are fine, they separate words.
            if not text.replace("\t", " ").isprintable():
                raise ValueError(f"{text!r} has a character that cannot be printed")
            value = setting.parse(text)
        except ValueError as error:
            self.problem(source, line, f"{name}: {error}" if line else str(error))
            return
        if setting.repeatable and text:
            # The same element twice is one: a socket cannot be bound twice.
            value = tuple(dict.fromkeys((*self.values.get(attribute, ()), *value)))
        self.values[attribute] = value


def load(
    config_file: Path | None = None,
    options: Mapping[str, Sequence[str]] | None = None,
    root: Path = Path("/"),
) -> Config:
    """The settings from the files and, over them, from the command line.

    Without config_file: /etc/calcd/calcd.conf or else /usr/lib/calcd/calcd.conf, then calcd.conf.d/*.conf of
    both, sorted by name, where a name in /etc masks the same name in /usr/lib. With it: that file, then
    those in the folder of its name with .d added. options are those of given_options(). At a reload the
    working directory is another: give an absolute config_file.

    Raises ConfigError.
    """
    loader = _Loader()
    if config_file is None:
        vendor, local = root / "usr/lib/calcd/calcd.conf", root / "etc/calcd/calcd.conf"
        if not loader.load_file(local, required=False):
            loader.load_file(vendor, required=False)
        loader.load_drop_ins([Path(f"{vendor}.d"), Path(f"{local}.d")])
    else:
        loader.load_file(config_file)
        loader.load_drop_ins([Path(f"{config_file}.d")])
    for attribute, texts in (options or {}).items():
        setting = SETTINGS[attribute]
        loader.values.pop(attribute, None)
        for text in texts:
            loader.assign(_Assignment(str(setting.option), None, setting.name, text))
    if loader.problems:
        raise ConfigError(loader.problems)
    return Config(**loader.values)


def changed(old: Config, new: Config) -> tuple[str, ...]:
    """The names of the settings that differ and that a reload does not put in force."""
    return tuple(
        setting.name
        for attribute, setting in SETTINGS.items()
        if not setting.reloadable and getattr(old, attribute) != getattr(new, attribute)
    )


# --- The table to options and texts.


def add_options(parser: argparse._ActionsContainer) -> None:
    """Adds the options of the settings that have one to a parser, or to a group of one."""
    for attribute, setting in SETTINGS.items():
        if setting.option:
            text = f"{setting.help} Default: {setting.default or 'empty'}."
            parser.add_argument(
                setting.option,
                dest=attribute,
                action="append",  # also when it is not repeatable: the last one wins, as in a file
                metavar=setting.metavar,
                help=text.replace("%", "%%"),
            )


def given_options(namespace: argparse.Namespace) -> dict[str, list[str]]:
    """The options of add_options() that were given, for load()."""
    return {
        attribute: texts
        for attribute, setting in SETTINGS.items()
        if setting.option and (texts := getattr(namespace, attribute)) is not None
    }


def dump(config: Config) -> str:
    """The text of a file from which load() makes the same Config."""
    lines = [SECTION]
    for attribute, setting in SETTINGS.items():
        value = getattr(config, attribute)
        values = [(element,) for element in value] if setting.repeatable and value else [value]
        lines += [f"{setting.name}={setting.format(value)}" for value in values]
    return "\n".join(lines) + "\n"


def template() -> str:
    """A sample file: every setting, commented out, at its default and under its help."""
    blocks = [
        "# Settings of calcd. What is commented out here shows the defaults.\n"
        "# Local changes belong in /etc/calcd/calcd.conf or /etc/calcd/calcd.conf.d/*.conf.\n\n" + SECTION
    ]
    for setting in SETTINGS.values():
        text = setting.help if setting.reloadable else f"{setting.help} A change needs a restart."
        comment = "\n".join(f"# {line}" for line in textwrap.wrap(text, 98, break_on_hyphens=False))
        blocks.append(f"{comment}\n#{setting.name}={setting.default}")
    return "\n\n".join(blocks) + "\n"
