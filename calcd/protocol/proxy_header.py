"""Finds the header of the PROXY protocol in the first bytes of a connection: a proxy says who its client is.

1.  The specification is proxy-protocol.txt among HAProxy's documents. Version 1 is a line of text, version 2
    is binary.
2.  Any bytes are a header, the beginning of one, or are refused. Nothing is guessed: what one program takes
    for a header and another for a request lets clients name an address of their choice.
3.  A length is looked at before what it is the length of. Nothing but the source is read: the destination of
    a line has to be sound, and what follows the addresses of version 2 (TLVs) is skipped.
4.  A number is written in one way. Where 010 may be 10 or 8, two programs see two addresses.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Its size in bytes, and the source's IP address and port. The address is empty if the header names none:
    # the connection is the proxy's own, or of a kind that has no such address.
    Header = tuple[int, str, int]

MAX_SIZE = 4096  # bytes; a proxy that adds what it knows of the client takes some hundred

# Why bytes are refused. calcd.handler.report has further reasons, which are not about bytes alone.
REASONS = range(1, 10)
(
    NO_HEADER,  # they begin neither as version 1 nor as version 2 does
    BAD_END,  # of a line: none where it has to be, or a lone CR or LF
    BAD_LINE,  # its words
    BAD_ADDRESS,  # an IP address or a port, or not of the family that the line names
    BAD_VERSION,
    BAD_COMMAND,
    BAD_FAMILY,
    TOO_SHORT,  # for the addresses of its family
    TOO_LONG,
) = REASONS

_LINE = b"PROXY "
_LINE_SIZE = 107  # bytes, with CRLF, of the longest line
_FAMILIES = {b"TCP4": AF_INET, b"TCP6": AF_INET6}

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = 16  # bytes: the signature, version and command, family and transport, and the length of the rest
_VERSION = 2
_LOCAL, _PROXY = 0x20, 0x21  # version and command
_STREAM = 1
# By family (unspecified, IPv4, IPv6, Unix): the bytes of an address, and of all that the header has to have.
_ADDRESS_SIZES = (0, 4, 16, 0)
_LEAST = (0, 12, 36, 216)
_LAST_TRANSPORT = 2  # datagrams
_IPV4_IN_IPV6 = bytes(10) + b"\xff\xff"


class HeaderError(Exception):
    """The bytes are no header, whatever follows."""

    def __init__(self, reason: int) -> None:
        """reason is one of REASONS."""
        super().__init__(reason)
        self.reason = reason


def parse(data: bytes) -> Header | None:
    """Returns the header with which data begins, or None if more bytes are needed to know it.

    Raises HeaderError.
    """
    if data[:12] != _SIGNATURE:
        return _parse_line(data)
    if len(data) < _FIXED:
        return None
    # Everything is written out: each function touches up to two pages of a fresh handler's memory.
    command, family, transport = data[12], data[13] >> 4, data[13] & 15
    length = data[14] << 8 | data[15]
    if command not in (_LOCAL, _PROXY):
        raise HeaderError(BAD_COMMAND if command >> 4 == _VERSION else BAD_VERSION)
    width = 0
    if command == _PROXY:
        if family >= len(_LEAST) or transport > _LAST_TRANSPORT:
            raise HeaderError(BAD_FAMILY)
        if length < _LEAST[family]:
            raise HeaderError(TOO_SHORT)
        if transport == _STREAM:
            width = _ADDRESS_SIZES[family]
    size = _FIXED + length
    if size > MAX_SIZE:
        raise HeaderError(TOO_LONG)
    if len(data) < size:
        return None
    if not width:
        return size, "", 0
    port = _FIXED + 2 * width
    packed = data[_FIXED : _FIXED + width]
    return size, inet_ntop(AF_INET, packed) if width == 4 else _host(packed), data[port] << 8 | data[port + 1]


def _parse_line(data: bytes) -> Header | None:
    if not data.startswith(_LINE):
        if _SIGNATURE.startswith(data) or _LINE.startswith(data):
            return None
        raise HeaderError(NO_HEADER)
    end = data.find(b"\n", 0, _LINE_SIZE)
    if end < 0 and len(data) < _LINE_SIZE and b"\r" not in data[:-1]:
        return None
    line, ending = data[: end - 1], data[end - 1 : end]
    if end < 0 or ending != b"\r" or b"\r" in line:
        raise HeaderError(BAD_END)
    words = line.split(b" ")
    if words[1] == b"UNKNOWN":  # whatever follows
        return end + 1, "", 0
    if len(words) != 6 or words[1] not in _FAMILIES:
        raise HeaderError(BAD_LINE)
    _, family, source, destination, source_port, destination_port = words
    host = _address(family, source)
    port = _port(source_port)
    _address(family, destination)
    _port(destination_port)
    return end + 1, host, port


def _address(family: bytes, word: bytes) -> str:
    try:
        return _host(inet_pton(_FAMILIES[family], word.decode("ascii")))
    except (OSError, ValueError):  # ValueError: not ASCII, or a NUL
        raise HeaderError(BAD_ADDRESS) from None


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or (port := int(word)) > 0xFFFF or b"%d" % port != word:
        raise HeaderError(BAD_ADDRESS)
    return port


def _host(packed: bytes) -> str:
    """An IPv4 client of a proxy's IPv6 socket is an IPv4 client: else all of them were one source, ::/64."""
    if packed.startswith(_IPV4_IN_IPV6):
        packed = packed[len(_IPV4_IN_IPV6) :]
    return inet_ntop(AF_INET if len(packed) == 4 else AF_INET6, packed)
