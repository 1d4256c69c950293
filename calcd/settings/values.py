"""Parses and formats the values of settings.

parse_* raises ValueError with a message for the user. format_* returns a text that parse_* reads as the same
value.
"""

import dataclasses
import enum
import ipaddress
import math
import re
from pathlib import Path
from typing import Generic, TypeVar

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_IPV4_IN_IPV6 = ipaddress.IPv6Network("::ffff:0:0/96")
E = TypeVar("E", bound=enum.StrEnum)


# The units of systemd.time(7), in microseconds. format_span() writes the first name of each. Months and years
# are left out because of SPAN_MAX.
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
    """Returns the seconds of a span of systemd.time(7), such as 90, 1min 30s or 500ms. Fractions of 1 us are
    cut off."""
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
    # This is exact: below SPAN_MAX, a float differs by at most a thousandth of a microsecond from the number
    # from which it was made.
    rest = round(seconds * 1_000_000)
    parts = []
    for names, size in _UNITS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{names[0]}")
    return " ".join(parts) or "0"


INFINITY = "infinity"  # systemd's word


def parse_timeout(text: str) -> float:
    """Returns the seconds of a span above 0, or math.inf for infinity: no deadline."""
    if text == INFINITY:
        return math.inf
    seconds = parse_span(text)
    if not seconds:
        raise ValueError(f"{text!r} leaves no time: write {INFINITY} for no deadline")
    return seconds


def format_timeout(seconds: float) -> str:
    return INFINITY if seconds == math.inf else format_span(seconds)


COUNT_MAX = 1_000_000_000
SPARE_MAX = 1000


def parse_count(text: str) -> float:
    """Returns a whole number from 1 to COUNT_MAX, or math.inf for infinity: no limit."""
    if text == INFINITY:
        return math.inf
    if not re.fullmatch("[0-9]{1,10}", text) or not 1 <= int(text) <= COUNT_MAX:
        raise ValueError(
            f"{text!r} is not a limit: it is a number from 1 to {COUNT_MAX}, or {INFINITY} for none"
        )
    return int(text)


PROTOCOLS = ("classic", "resp")


def parse_protocols(text: str) -> tuple[str, ...]:
    """Returns the protocols that a text names, in the order of PROTOCOLS."""
    names = text.split()
    for name in names or [text]:
        if name not in PROTOCOLS:
            raise ValueError(f"{name!r} is no protocol: calcd speaks {' and '.join(PROTOCOLS)}")
    return tuple(name for name in PROTOCOLS if name in names)


def format_protocols(names: tuple[str, ...]) -> str:
    return " ".join(names)


def parse_backlog(text: str) -> int:
    """Returns a backlog for listen(2), from 1 to 65535. The kernel reduces it to net.core.somaxconn."""
    return _parse_number(text, 1, 65535, "a backlog")


def parse_spare(text: str) -> int:
    """Returns a number from 0 to SPARE_MAX. The maximum is low, because each spare handler is a process."""
    return _parse_number(text, 0, SPARE_MAX, "a number of spare processes")


def _parse_number(text: str, least: int, most: int, what: str) -> int:
    if not re.fullmatch(f"[0-9]{{1,{len(str(most))}}}", text) or not least <= int(text) <= most:
        raise ValueError(f"{text!r} is not {what}: it is a number from {least} to {most}")
    return int(text)


def format_count(count: float) -> str:
    return INFINITY if count == math.inf else str(int(count))


_BOOLEANS = {"yes": True, "no": False}


def parse_boolean(text: str) -> bool:
    """Returns the truth of yes and no."""
    if text not in _BOOLEANS:
        raise ValueError(f"{text!r} is neither yes nor no")
    return _BOOLEANS[text]


def format_boolean(value: bool) -> str:
    return "yes" if value else "no"


def parse_mode(text: str) -> int:
    """Returns the mode of a file: chmod(2)."""
    if not re.fullmatch("0?[0-7]{3}", text):
        raise ValueError(f"{text!r} is not a file mode: it is three octal digits, as in 0660")
    return int(text, 8)


def format_mode(mode: int) -> str:
    return f"{mode:04o}"


_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


MEMORY_MIN = 16 << 20


def parse_memory(text: str) -> float:
    """Returns bytes, from 16M to 1024G, or math.inf for infinity: no limit. K, M and G have base 1024, as in
    systemd."""
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
    return tuple(map(_parse_network, text.split()))


def _parse_network(word: str) -> Network:
    try:
        if "%" in word:
            raise ValueError("it holds in each zone, and names none")
        network = ipaddress.ip_network(word)
    except ValueError as error:
        raise ValueError(
            f"{word!r} is neither an address nor a network: {error}; write 192.0.2.0/24 or 2001:db8::/32"
        ) from None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_IPV4_IN_IPV6):
        # Such a peer has an IPv4 address by then (calcd.handler.peers): the network would hold for nobody.
        raise ValueError(
            f"{word!r} is IPv4 within IPv6, and calcd knows its clients by IPv4: write 192.0.2.0/24"
        )
    return network


def format_networks(networks: tuple[Network, ...]) -> str:
    return " ".join(map(str, networks))


def parse_path(text: str) -> Path | None:
    """Returns an absolute path, or None for an empty text."""
    if text and not text.startswith("/"):
        raise ValueError(f"{text!r} is not an absolute path")
    return Path(text) if text else None


def format_path(path: Path | None) -> str:
    return "" if path is None else str(path)


@dataclasses.dataclass(frozen=True)
class one_of(Generic[E]):  # noqa: N801 - PEP 8: what is for calling is named as a function is
    """A parser for a setting whose value is one of a few words."""

    choices: type[E]

    def __call__(self, text: str) -> E:
        try:
            return self.choices(text)
        except ValueError:
            raise ValueError(f"{text!r} is none of {', '.join(self.choices)}") from None


class LogLevel(enum.StrEnum):
    """The levels, from the most lines to the fewest, with the names of syslog."""

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
    JSON = "json"


class LogConnections(enum.StrEnum):
    ALL = "all"
    ERRORS = "errors"
    NONE = "none"
