"""What the header of the PROXY protocol has to come to: from its specification alone, once more and plainly.

Nothing here is calcd's. A line is a regular expression, a binary header is structs, and addresses are those
of ipaddress.
"""

import ipaddress
import re
import struct
from typing import NamedTuple

MORE = "more"
REFUSED = "refused"
MOST = 4096  # bytes of a header that calcd takes

_ADDRESS = rb"[0-9A-Fa-f:.]+"
_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|TCP(?P<family>[46]) (?P<addresses>%b %b)"
    rb" (?P<ports>(?:0|[1-9][0-9]{0,4}) (?:0|[1-9][0-9]{0,4})))\r\n" % (_ADDRESS, _ADDRESS)
)
_SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
_HEAD = struct.Struct(">12sBBH")
_IPV4, _IPV6 = struct.Struct(">4s4sHH"), struct.Struct(">16s16sHH")
_LEAST = {0: 0, 1: _IPV4.size, 2: _IPV6.size, 3: 216}


class Header(NamedTuple):
    size: int
    host: str = ""  # empty: that of the connection
    port: int = 0


def read(data: bytes) -> Header | str:
    """The header with which the data begins, MORE or REFUSED."""
    for beginning, reader in ((b"PROXY ", _read_line), (_SIGNATURE, _read_binary)):
        if data.startswith(beginning):
            return reader(data)
        if beginning.startswith(data):
            return MORE
    return REFUSED


def _read_line(data: bytes) -> Header | str:
    longest = data[:107]
    first_end = re.search(rb"[\r\n]", longest)
    if len(longest) < 107 and (first_end is None or longest[first_end.start() :] == b"\r"):
        return MORE
    line = _LINE.fullmatch(longest[: first_end.start() + 2]) if first_end else None
    try:
        return _header_of(line) if line else REFUSED
    except ValueError:
        return REFUSED


def _header_of(line: re.Match[bytes]) -> Header:
    """Raises ValueError for what is no address or no port."""
    if not line["family"]:
        return Header(line.end())
    kind = ipaddress.IPv4Address if line["family"] == b"4" else ipaddress.IPv6Address
    source, _ = (kind(word.decode()) for word in line["addresses"].split())
    port, destination_port = map(int, line["ports"].split())
    if max(port, destination_port) > 0xFFFF:
        raise ValueError("no port")
    return Header(line.end(), shown(source), port)


def _read_binary(data: bytes) -> Header | str:
    if len(data) < _HEAD.size:
        return MORE
    _, version, family, length = _HEAD.unpack_from(data)
    is_proxied = version == 0x21
    sizes_fit = length >= _LEAST.get(family >> 4, MOST) and family & 15 <= 2
    if version not in (0x20, 0x21) or (is_proxied and not sizes_fit) or _HEAD.size + length > MOST:
        return REFUSED
    size = _HEAD.size + length
    if len(data) < size:
        return MORE
    layout = {0x11: _IPV4, 0x21: _IPV6}.get(family)
    if not is_proxied or layout is None:
        return Header(size)
    source, _, port, _ = layout.unpack_from(data, _HEAD.size)
    return Header(size, shown(ipaddress.ip_address(source)), port)


def shown(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """The address, in IPv4 if it is one."""
    return str(getattr(address, "ipv4_mapped", None) or address)
