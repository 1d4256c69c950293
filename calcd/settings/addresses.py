"""Parses and formats the addresses on which calcd listens.

parse_* raises ValueError with a message for the user. format_* returns a text that parse_* reads as the same
value.
"""

import errno
import os
import re
import socket
from typing import NamedTuple


class Address(NamedTuple):
    """An address to listen on. str() returns its text in the configuration, with an IPv6 address in its
    shortest form."""

    family: socket.AddressFamily
    host: str = ""  # AF_INET and AF_INET6
    port: int = 0  # 0: the kernel picks one
    path: str = ""  # AF_UNIX
    zone: str = ""  # the interface of a link-local address (RFC 4007): its name or its number
    is_for_both: bool = False  # AF_INET6, all addresses: IPv4 as well
    prefix: str = ""  # one of PREFIXES

    def sockaddr(self) -> tuple[str, int] | tuple[str, int, int, int] | str:
        """Returns the address as socket.bind() takes it. Raises OSError if there is no such interface now."""
        if self.family == socket.AF_UNIX:
            return self.path
        if not self.zone:
            return self.host, self.port
        return self.host, self.port, 0, _index(self.zone)

    def __str__(self) -> str:
        if self.family == socket.AF_UNIX:
            return f"{self.prefix}unix:{self.path}"
        if self.is_for_both:
            return f"{self.prefix}*:{self.port}"
        zone = self.zone and f"%{self.zone}"
        host = f"[{self.host}{zone}]" if self.family == socket.AF_INET6 else self.host
        return f"{self.prefix}{host}:{self.port}"

    def under_other_prefixes(self) -> "list[Address]":
        """Returns the same address for those who do not connect to this one. With port 0 there is none: the
        kernel picks another port for each."""
        if not (self.path or self.port):
            return []
        return [self._replace(prefix=prefix) for prefix in PREFIXES if prefix != self.prefix]


def _index(interface: str) -> int:
    if interface.isdecimal():
        return int(interface)
    try:
        return socket.if_nametoindex(interface)
    except OSError:  # in which Python says no errno
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from None


_INTERFACE = r"[^/\s%\[\]]{1,15}"  # IFNAMSIZ, with the terminating NUL
# What is in front of an address says who connects there: clients, where it is nothing.
PROXIED = "proxied:"  # proxies, with a header that each connection begins with
METRICS = "metrics:"  # whoever asks for the metrics (calcd.listener.scrapes)
PREFIXES = ("", PROXIED, METRICS)
SUN_PATH_MAX = 107  # unix(7): sun_path has 108 bytes, the last one for the terminating NUL


def parse_address(text: str) -> Address:
    """Returns the address for IPv4:PORT, [IPv6]:PORT, [IPv6%ZONE]:PORT, *:PORT or unix:/PATH, each with or
    without proxied: or metrics: in front."""
    prefix = next((each for each in (PROXIED, METRICS) if text.startswith(each)), "")
    return _parse(text.removeprefix(prefix))._replace(prefix=prefix)


def _parse(text: str) -> Address:
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
    family, zone = socket.AF_INET, ""
    is_for_both = host == "*"
    if is_for_both:
        family, host = socket.AF_INET6, "::"
    elif host.startswith("[") and host.endswith("]"):
        family = socket.AF_INET6
        host, percent, zone = host[1:-1].partition("%")
        if percent and not re.fullmatch(_INTERFACE, zone):
            raise ValueError(f"{text!r}: {zone!r} is not an interface's name, as in [fe80::1%eth0]:7070")
    try:
        host = socket.inet_ntop(family, socket.inet_pton(family, host))
    except OSError:
        raise ValueError(
            f"{text!r}: {host!r} is not an IP address, and an address is needed: names are not looked up, "
            "and an IPv6 address goes in brackets, as in 127.0.0.1:7070 or [::1]:7070"
        ) from None
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 0xFFFF:
        raise ValueError(f"{text!r}: {port!r} is not a port: it is a number from 0 to 65535")
    return Address(family, host, int(port), zone=zone, is_for_both=is_for_both)


def parse_addresses(text: str) -> tuple[Address, ...]:
    return tuple(map(parse_address, text.split()))


def format_addresses(addresses: tuple[Address, ...]) -> str:
    return " ".join(map(str, addresses))
