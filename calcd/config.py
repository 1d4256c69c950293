"""The settings: one table, from which files, options, help texts and samples are made.

The fields of Config are the rows of the table. Whatever a setting needs said about it is said there once.
A Config is never changed: a reload makes a new one.
"""

import argparse
import dataclasses
import difflib
import enum
import ipaddress
import math
import os
import re
import socket
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

# ruff: noqa: RUF009 - row() is a dataclass field specifier, which ruff cannot know

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
T = TypeVar("T")
E = TypeVar("E", bound=enum.StrEnum)

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


# --- Kinds of values: parse_* raises ValueError with a message for the user; format_* gives a text that
# --- parse_* reads back as the same value.


class Address(NamedTuple):
    """Where to listen. str() gives the text it is configured with (an IPv6 address in its shortest form)."""

    family: socket.AddressFamily
    host: str = ""  # AF_INET and AF_INET6
    port: int = 0  # 0: the kernel picks one
    path: str = ""  # AF_UNIX

    @property
    def sockaddr(self) -> tuple[str, int] | str:
        """What socket.bind() takes."""
        return self.path if self.family == socket.AF_UNIX else (self.host, self.port)

    def __str__(self) -> str:
        if self.family == socket.AF_UNIX:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if self.family == socket.AF_INET6 else self.host
        return f"{host}:{self.port}"


SUN_PATH_MAX = 107  # unix(7): sun_path has 108 bytes, the last one for the terminating NUL


def parse_address(text: str) -> Address:
    """IPv4:PORT, [IPv6]:PORT or unix:/PATH."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError(f"{text!r}: the path must be absolute, as in unix:/run/calcd/calcd.sock")
        if (length := len(os.fsencode(path))) > SUN_PATH_MAX:
            raise ValueError(f"{text!r}: the path has {length} bytes, and {SUN_PATH_MAX} is the most")
        return Address(socket.AF_UNIX, path=path)
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError(f"{text!r} is not an address: write IPV4:PORT, [IPV6]:PORT or unix:/PATH")
    family = socket.AF_INET
    if host.startswith("[") and host.endswith("]"):
        family, host = socket.AF_INET6, host[1:-1]
    try:
        host = socket.inet_ntop(family, socket.inet_pton(family, host))
    except OSError:
        raise ValueError(
            f"{text!r}: {host!r} is not an IP address, and an address is needed: names are not looked up, "
            "and an IPv6 address goes in brackets, as in 127.0.0.1:7070 or [::1]:7070"
        ) from None
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 0xFFFF:
        raise ValueError(f"{text!r}: {port!r} is not a port: it is a number from 0 to 65535")
    return Address(family, host, int(port))


def parse_addresses(text: str) -> tuple[Address, ...]:
    return tuple(map(parse_address, text.split()))


def format_addresses(addresses: tuple[Address, ...]) -> str:
    return " ".join(map(str, addresses))


# systemd.time(7), in microseconds; the first name of each is the one to write. Months and years are left out
# because of SPAN_MAX.
_UNITS = {
    ("w", "week", "weeks"): 604_800_000_000,
    ("d", "day", "days"): 86_400_000_000,
    ("h", "hr", "hour", "hours"): 3_600_000_000,
    ("min", "m", "minute", "minutes"): 60_000_000,
    ("s", "sec", "second", "seconds", ""): 1_000_000,
    ("ms", "msec"): 1_000,
    ("us", "usec", "\N{GREEK SMALL LETTER MU}s", "\N{MICRO SIGN}s"): 1,
}
_MICROSECONDS = {name: size for names, size in _UNITS.items() for name in names}
_SPAN_PART = re.compile(r"\s*([0-9]{1,18})(?:\.([0-9]{0,18}))?\s*([^\s0-9.]*)\s*")
SPAN_MAX = 14 * 86_400  # seconds: epoll_wait(2) counts milliseconds in an int, which ends at 24.8 days


def parse_span(text: str) -> float:
    """A span of systemd.time(7), such as 90, 1min 30s or 500ms, in seconds. What is below 1 us is cut off."""
    microseconds = 0
    end = 0
    while end < len(text) or not text:
        part = _SPAN_PART.match(text, end)
        if part is None or part[3] not in _MICROSECONDS:
            raise ValueError(
                f"{text!r} is not a span of time: write 90 (seconds), 500ms, 1min 30s "
                f"(units: {', '.join(names[0] for names in _UNITS)})"
            )
        fraction = part[2] or ""
        size = _MICROSECONDS[part[3]]
        microseconds += int(part[1]) * size + int(fraction or "0") * size // 10 ** len(fraction)
        end = part.end()
    if microseconds > SPAN_MAX * 1_000_000:
        raise ValueError(f"{text!r} is too long: {format_span(SPAN_MAX)} is the most")
    return microseconds / 1_000_000


def format_span(seconds: float) -> str:
    # Exact: below SPAN_MAX a float is within a thousandth of a microsecond of the count it was made from.
    rest = round(seconds * 1_000_000)
    parts = []
    for names, size in _UNITS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{names[0]}")
    return " ".join(parts) or "0"


INFINITY = "infinity"  # systemd's word


def parse_timeout(text: str) -> float:
    """A span that is more than 0, or infinity for no deadline."""
    if text == INFINITY:
        return math.inf
    seconds = parse_span(text)
    if not seconds:
        raise ValueError(f"{text!r} leaves no time: write {INFINITY} for no deadline")
    return seconds


def format_timeout(seconds: float) -> str:
    return INFINITY if seconds == math.inf else format_span(seconds)


COUNT_MAX = 1_000_000_000


def parse_count(text: str) -> float:
    """A whole number from 1 on, or infinity for no limit."""
    if text == INFINITY:
        return math.inf
    if not re.fullmatch("[0-9]{1,10}", text) or not 1 <= int(text) <= COUNT_MAX:
        raise ValueError(
            f"{text!r} is not a limit: it is a number from 1 to {COUNT_MAX}, or {INFINITY} for none"
        )
    return int(text)


def parse_backlog(text: str) -> int:
    """listen(2) takes an int; the kernel cuts it down to net.core.somaxconn."""
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise ValueError(f"{text!r} is not a backlog: it is a number from 1 to 65535")
    return int(text)


def format_count(count: float) -> str:
    return INFINITY if count == math.inf else str(int(count))


_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


MEMORY_MIN = 16 << 20


def parse_memory(text: str) -> float:
    """Bytes, or K, M and G of them to the base of 1024 (systemd's), or infinity for no limit."""
    if text == INFINITY:
        return math.inf
    size = re.fullmatch("([0-9]{1,13})([KMG]?)", text)
    if size is None:
        raise ValueError(f"{text!r} is not a size: write 64M or 1G, or {INFINITY} for no limit")
    memory = int(size[1]) * _SIZES[size[2]]
    if not MEMORY_MIN <= memory <= 1 << 40:
        raise ValueError(f"{text!r} is out of range: 16M is the least that calcd runs in, and 1024G the most")
    return memory


def format_size(size: float) -> str:
    if size == math.inf:
        return INFINITY
    suffix, unit = max((item for item in _SIZES.items() if size % item[1] == 0), key=lambda item: item[1])
    return f"{int(size) // unit}{suffix}"


def parse_networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks, such as 192.0.2.1, 192.0.2.0/24 and 2001:db8::/32."""
    networks = []
    for word in text.split():
        try:
            networks.append(ipaddress.ip_network(word))
        except ValueError as error:
            raise ValueError(
                f"{word!r} is neither an address nor a network: {error}; write 192.0.2.0/24 or 2001:db8::/32"
            ) from None
    return tuple(networks)


def format_networks(networks: tuple[Network, ...]) -> str:
    return " ".join(map(str, networks))


def parse_path(text: str) -> Path | None:
    """An absolute path; empty for none."""
    if text and not text.startswith("/"):
        raise ValueError(f"{text!r} is not an absolute path")
    return Path(text) if text else None


def format_path(path: Path | None) -> str:
    return "" if path is None else str(path)


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


@dataclasses.dataclass(frozen=True)
class one_of(Generic[E]):  # noqa: N801 - PEP 8: what is for calling is named as a function is
    """The parser of a setting whose value is one of a few words."""

    choices: type[E]

    def __call__(self, text: str) -> E:
        try:
            return self.choices(text)
        except ValueError:
            raise ValueError(f"{text!r} is none of {', '.join(self.choices)}") from None


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

    listen: tuple[Address, ...] = row(
        Setting(
            name="Listen",
            parse=parse_addresses,
            format=format_addresses,
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
            parse=parse_path,
            format=format_path,
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
            parse=parse_backlog,
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
            parse=parse_count,
            format=format_count,
            default="1000",
            reloadable=True,
            help="The most connections open at a time. Beyond it calcd accepts none, and new ones wait in "
            "the kernel until others end. Each takes a process: keep it below the unit's TasksMax=.",
        )
    )
    max_connections_per_source: float = row(
        Setting(
            name="MaxConnectionsPerSource",
            parse=parse_count,
            format=format_count,
            default="100",
            reloadable=True,
            help="The most connections open at a time from one source: an IPv4 address, or the first 64 bits "
            "of an IPv6 address. Further ones are closed at once.",
        )
    )
    max_rate_per_source: float = row(
        Setting(
            name="MaxRatePerSource",
            parse=parse_count,
            format=format_count,
            default="100",
            reloadable=True,
            help="The most new connections in a second from one source; so many may also come at once. "
            "Further ones are closed at once.",
        )
    )
    exempt_sources: tuple[Network, ...] = row(
        Setting(
            name="ExemptSources",
            parse=parse_networks,
            format=format_networks,
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
            parse=parse_count,
            format=format_count,
            default=INFINITY,
            reloadable=True,
            help="The most requests that a connection may make. It is closed behind the last reply.",
        )
    )
    first_byte_timeout: float = row(
        Setting(
            name="FirstByteTimeout",
            parse=parse_timeout,
            format=format_timeout,
            default="1min",
            reloadable=True,
            help="How long a client may take from its connect to the first byte.",
        )
    )
    frame_timeout: float = row(
        Setting(
            name="FrameTimeout",
            parse=parse_timeout,
            format=format_timeout,
            default="10s",
            reloadable=True,
            help="How long a request may take from its first byte to its last.",
        )
    )
    idle_timeout: float = row(
        Setting(
            name="IdleTimeout",
            parse=parse_timeout,
            format=format_timeout,
            default="15min",
            reloadable=True,
            help="How long a client may be silent between two requests.",
        )
    )
    send_timeout: float = row(
        Setting(
            name="SendTimeout",
            parse=parse_timeout,
            format=format_timeout,
            default="1min",
            reloadable=True,
            help="How long a client may take to make room for the replies that calcd has ready for it.",
        )
    )
    connection_lifetime: float = row(
        Setting(
            name="ConnectionLifetime",
            parse=parse_timeout,
            format=format_timeout,
            default=INFINITY,
            reloadable=True,
            help="How long a connection may last, however busy it is. What has been asked by then is "
            "answered.",
        )
    )
    handler_cpu_time: float = row(
        Setting(
            name="HandlerCpuTime",
            parse=parse_timeout,
            format=format_timeout,
            default="1h",
            reloadable=True,
            help="The processor time that a connection's handler may take, in whole seconds; the kernel "
            "kills it then. In an hour it answers ten thousand million pipelined requests.",
        )
    )
    handler_memory: float = row(
        Setting(
            name="HandlerMemory",
            parse=parse_memory,
            format=format_size,
            default="64M",
            reloadable=True,
            help="The memory that a connection's handler may allocate (RLIMIT_DATA), and the listener with "
            "it. They take 8M, most of it shared.",
        )
    )
    drain_time: float = row(
        Setting(
            name="DrainTime",
            parse=parse_span,
            format=format_span,
            default="10s",
            reloadable=True,
            help="How long connections may take to end when calcd stops. Those still open then are cut off. "
            "Keep it below the service's TimeoutStopSec=.",
        )
    )
    log_level: LogLevel = row(
        Setting(
            name="LogLevel",
            parse=one_of(LogLevel),
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
            parse=one_of(LogTarget),
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
            parse=one_of(LogConnections),
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
