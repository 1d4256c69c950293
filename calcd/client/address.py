"""Parses a server's address: HOST:PORT, [IPV6]:PORT or unix:/path."""

import re
from typing import NamedTuple

from calcd.client.errors import AddressError

_INTERNET = re.compile(r"(?:\[([^][]+)\]|([^][:]+)):([0-9]{1,5})")


class InternetAddress(NamedTuple):
    host: str  # a name or a numeric address, without brackets
    port: int


class UnixAddress(NamedTuple):
    path: str


def parse(text: str) -> InternetAddress | UnixAddress:
    """Returns the address that text names. Raises AddressError."""
    if text.startswith("unix:/"):
        return UnixAddress(text.removeprefix("unix:"))
    match = _INTERNET.fullmatch(text)
    if not match:
        raise AddressError(f"server {text!r}: write HOST:PORT, [IPV6]:PORT or unix:/path")
    port = int(match[3])
    if not 1 <= port <= 65535:
        raise AddressError(f"server {text!r}: a port is a number from 1 to 65535")
    return InternetAddress(match[1] or match[2], port)
