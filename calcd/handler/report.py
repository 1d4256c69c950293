"""The reports of handlers: records in a pipe that all handlers of a listener share.

1.  A handler writes each record immediately. So all records of a handler are in the pipe when it is reaped.
2.  A pipe keeps together what one write(2) has written (PIPE_BUF in pipe(7)) and stores it compactly. One
    read(2) returns all records that have come. A busy listener may leave many hundreds in the pipe.
3.  A handler reads what clients send, and a client may hijack it. So each record begins with a mark that no
    record contains. The reader drops anything else, which cannot shift or spoil other handlers' records. A
    hijacked handler can still report in another's name. This spoils a log line and the counters, or costs
    the other handler its connection.
"""

from __future__ import annotations

import fcntl
import os
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# The kinds of records. They are events too: calcd.listener.packets has the other kinds.
ACCEPTED = 1  # the handler has accepted a connection; this is an admission request if its source has limits
ENDED = 2  # its connection has ended
FAILED = 3  # accept(2) has failed
PROGRESS = 12  # its connection goes on: the sums so far
ARRIVED = 20  # the handler has a connection on a proxied socket, and waits for the header
PROXIED = 21  # as ACCEPTED, of a connection on a proxied socket, when the header is there
HEADER_REFUSED = 22  # a connection on a proxied socket has come to nothing, or the proxy may not connect

# How a connection ended, as far as its handler can know.
NOT_KNOWN = 0  # as a handler of another calcd knows it, but this one does not: see decode_any()
QUIT = 1  # the client sent a quit
CLIENT_CLOSED = 2  # between two requests, or by a reset with no request in hand
TRUNCATED = 3  # the client closed in the middle of a request
DIVISION_BY_ZERO = 4  # closed by calcd, because the protocol has no error reply
UNKNOWN_OPERATION = 5  # likewise
CONNECTION_LOST = 6  # reset by the client, or by the network
DRAINED = 7  # closed by calcd because it stops
FIRST_BYTE_TIMEOUT = 8  # closed by calcd at one of calcd.settings.limits, as are those that follow
FRAME_TIMEOUT = 9
IDLE_TIMEOUT = 10
SEND_TIMEOUT = 11
LIFETIME_OVER = 12
REQUEST_LIMIT = 13
PROTOCOL_ERROR = 14  # closed by calcd behind an error reply: what follows cannot be understood (RESP)
STRANGER = 15  # nothing but what other protocols send, in a connection that began as RESP does

# What a client spoke, as its first byte told.
NOTHING, CLASSIC, RESP = range(3)

# Why a proxy's connection has come to nothing, besides calcd.protocol.proxy_header.REASONS.
HEADER_CUT_OFF = 10  # it ended within the header
HEADER_LATE = 11  # ProxyTimeout= is over
UNTRUSTED_PROXY = 12  # it is not among ProxySources=

GOOD_ENDINGS = frozenset({QUIT, CLIENT_CLOSED, DRAINED})

# The exit status (EX_OSERR) of a handler that gets no memory and so cannot report.
EXIT_NO_MEMORY = 71

# The first two fields of every record are its kind and the handler's PID. The others are:
# whether this is an admission request, the peer's name.
_ACCEPTED = Struct("<Bi?80p")
# Whether the handler leaves now, microseconds since accept(2), ending, requests answered, bytes received,
# bytes sent, and the bytes of a request that had no answer, with their length in front. Handlers of an older
# listener report no more.
_SHORT_ENDED = Struct("<Bi?QiQQQ13p")
# And the protocol, and error replies by kind (calcd.protocol.resp.dialogue).
_ENDED = Struct(_SHORT_ENDED.format + "B4Q")
# The same sums as in ENDED, so far: requests answered, bytes received, bytes sent, error replies by kind.
_PROGRESS = Struct("<BiQQQ4Q")
# The errno.
_FAILED = Struct("<Bii")
_ARRIVED = Struct("<Bi")
# Whether this is an admission request, the client's name, the proxy's name.
_PROXIED = Struct("<Bi?80p80p")
# Why, the proxy's name, and the first bytes of what it sent, in hexadecimal digits.
_HEADER_REFUSED = Struct("<BiB80p121p")
_STRUCTS = {
    ACCEPTED: _ACCEPTED,
    ENDED: _ENDED,
    FAILED: _FAILED,
    PROGRESS: _PROGRESS,
    ARRIVED: _ARRIVED,
    PROXIED: _PROXIED,
    HEADER_REFUSED: _HEADER_REFUSED,
}

# The mark in front of every record. No record contains it: the fields on which clients have influence
# cannot, because names and digits have no line feed, and a request has fewer bytes than the mark. The mark's
# first byte occurs in it only once, so an incomplete mark cannot hide a whole one.
START = b"\ncalcd reports: "
# Bytes that the pipe holds, the kernel's default. One read(2) empties it.
CAPACITY = 65_536
# Records that almost fill the smallest pipe, the 8 KiB of a user who has too many pipes (pipe(7)).
MANY = 64


accepted = _ACCEPTED.pack
ended = _ENDED.pack
failed = _FAILED.pack
progress = _PROGRESS.pack
arrived = _ARRIVED.pack
proxied = _PROXIED.pack
_SHOWN_OF_HEADER = 60  # bytes: the longest line of IPv4, and a binary header with IPv6 addresses


def header_refused(kind: int, handler: int, reason: int, proxy: bytes, data: bytes) -> bytes:
    """data is what the proxy has sent, from its beginning."""
    return _HEADER_REFUSED.pack(kind, handler, reason, proxy, data[:_SHOWN_OF_HEADER].hex().encode())


def decode(record: bytes) -> tuple[Any, ...] | None:
    """Returns the fields of a record, or None if the record makes no sense. Bytes behind it are ignored."""
    if len(record) == _SHORT_ENDED.size and record[0] == ENDED:
        record = record.ljust(_ENDED.size, b"\0")
    struct = _STRUCTS.get(record[0]) if record else None
    if struct is None or len(record) < struct.size:
        return None
    fields = struct.unpack_from(record)
    if record[0] == ENDED:
        ending, request, protocol = fields[4], fields[8], fields[9]
        is_sound = (
            QUIT <= ending <= STRANGER
            and protocol <= RESP
            and (ending not in (UNKNOWN_OPERATION, STRANGER) or len(request) > 0)
        )
    elif record[0] == HEADER_REFUSED:
        reason, proxy, digits = fields[2:]
        is_sound = 0 < reason <= UNTRUSTED_PROXY and _is_name(proxy) and _are_digits(digits)
    else:
        is_sound = record[0] not in (ACCEPTED, PROXIED) or (_is_name(fields[3]) and _is_name(fields[-1]))
    return fields if is_sound else None


def decode_any(record: bytes) -> tuple[Any, ...] | None:
    """As decode(), for a record of a handler of another calcd, which may know more: an ending that this one
    does not know is NOT_KNOWN, and a protocol NOTHING."""
    if len(record) >= _ENDED.size and record[0] == ENDED:
        fields = list(_ENDED.unpack_from(record))
        if fields[9] > RESP:
            fields[9] = NOTHING
        if not QUIT <= fields[4] <= STRANGER:
            fields[4] = NOT_KNOWN
            return tuple(fields)
        record = _ENDED.pack(*fields)
    return decode(record)


def _is_name(text: bytes) -> bool:
    return text.isascii() and text.decode().isprintable()


def _are_digits(text: bytes) -> bool:
    return len(text) % 2 == 0 and not text.strip(b"0123456789abcdef")


def open_pipe() -> tuple[int, int]:
    """Returns the reading end, which does not block, and the writing end, which handlers use."""
    ends = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(ends[0], False)
    try:
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, CAPACITY)
    except PermissionError:
        pass  # the user has too many pipes: in a smaller one, handlers may have to wait for the listener
    return ends


def read(
    pipe: int, decode: Callable[[bytes], tuple[Any, ...] | None] = decode
) -> list[tuple[bytes, tuple[Any, ...]]]:
    """Returns the records that have arrived at a pipe's reading end, in order, each with its fields. decode
    is decode_any() for a listener's handlers that may be of another calcd."""
    try:
        data = os.read(pipe, CAPACITY)
    except BlockingIOError:
        return []
    # Each record is cut to its size, so that bytes that a handler has put behind it are dropped.
    return [
        (record[: _STRUCTS[fields[0]].size], fields)
        for record in data.split(START)[1:]
        if (fields := decode(record))
    ]
