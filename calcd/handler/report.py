"""What a handler tells of its connections: records in a pipe that all handlers of a listener share.

1.  Each is written at once, so whoever has waited for a handler finds all of its records there.
2.  A pipe keeps together what one write(2) has written (PIPE_BUF in pipe(7)), and packs it closely: one read
    gets all that has come, and a busy listener may leave many hundreds there.
3.  A handler reads what strangers send, and one of them might get the better of it. So each record has a
    mark in front that can be in none: what is no record is dropped, and never shifts or spoils the others'.
    What is left to such a handler is to report in another's name, which spoils a line of the log and the
    counters, or costs the other its connection.
"""

from __future__ import annotations

import fcntl
import os
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a record tells.
ACCEPTED = 1  # a connection; of a source that has limits, only if the listener admits it
ENDED = 2  # a connection
FAILED = 3  # accept(2)

# How a connection ended, as far as its handler can know.
QUIT = 1  # the client said so
CLIENT_CLOSED = 2  # between two requests, or by a reset with no request in hand
TRUNCATED = 3  # the client closed in the middle of a request
DIVISION_BY_ZERO = 4  # closed by calcd: the protocol has no way to say it
UNKNOWN_OPERATION = 5  # likewise
CONNECTION_LOST = 6  # reset by the client, or by the network
DRAINED = 7  # closed by calcd because it stops
FIRST_BYTE_TIMEOUT = 8  # closed by calcd: from here on, what calcd.limits has
FRAME_TIMEOUT = 9
IDLE_TIMEOUT = 10
SEND_TIMEOUT = 11
LIFETIME_OVER = 12
REQUEST_LIMIT = 13

GOOD_ENDINGS = frozenset({QUIT, CLIENT_CLOSED, DRAINED})

# The exit status of a handler that cannot report, because it gets no memory (EX_OSERR).
EXIT_NO_MEMORY = 71

# Of every record the first two: what it tells, and the handler (its PID).
# Whether the listener is asked first, and the peer's name.
_ACCEPTED = Struct("<Bi?80p")
# Whether the handler leaves now, the time since accept(2) in us, ending, requests answered, bytes received,
# bytes sent, and of a request that had no answer the length and the bytes.
_ENDED = Struct("<Bi?QiQQQ13p")
# The errno.
_FAILED = Struct("<Bii")
_STRUCTS = {ACCEPTED: _ACCEPTED, ENDED: _ENDED, FAILED: _FAILED}

# In front of every record, and in none: of what clients have a say in, a name has no line feed, and what has
# come of a request is shorter. It begins with what is in it but once: so a part of it hides no whole one.
START = b"\ncalcd reports: "
# Bytes that the pipe has room for, as the kernel has it by default: one read(2) empties it.
CAPACITY = 65_536
# Records that almost fill the smallest of pipes: 8 KiB, for a user who has too many (pipe(7)).
MANY = 64


accepted = _ACCEPTED.pack
ended = _ENDED.pack
failed = _FAILED.pack


def decode(record: bytes) -> tuple[Any, ...] | None:
    """What was packed, whatever follows it; None when that cannot be understood."""
    struct = _STRUCTS.get(record[0]) if record else None
    if struct is None or len(record) < struct.size:
        return None
    fields = struct.unpack_from(record)
    if record[0] == ENDED:
        ending, request = fields[4], fields[8]
        is_sound = QUIT <= ending <= REQUEST_LIMIT and (ending != UNKNOWN_OPERATION or len(request) > 0)
    else:
        is_sound = record[0] == FAILED or (fields[3].isascii() and fields[3].decode().isprintable())
    return fields if is_sound else None


def open_pipe() -> tuple[int, int]:
    """The reading end, which does not block, and the writing end, for handlers."""
    ends = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(ends[0], False)
    try:
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, CAPACITY)
    except PermissionError:
        pass  # the user has too many: handlers that report wait for the listener to read, then
    return ends


def read(pipe: int) -> list[tuple[bytes, tuple[Any, ...]]]:
    """The records that have arrived at a pipe's reading end, in order, and what was packed in them."""
    try:
        data = os.read(pipe, CAPACITY)
    except BlockingIOError:
        return []
    # Cut, so that what a handler has put behind a record goes no further.
    return [
        (record[: _STRUCTS[fields[0]].size], fields)
        for record in data.split(START)[1:]
        if (fields := decode(record))
    ]
