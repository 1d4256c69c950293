"""What a handler tells about its connection when it ends: one fixed-size record.

A record is written to a pipe that all handlers share, before the handler exits, so whoever has waited for
the handler finds it there. A handler reads what strangers send, and one of them might get the better of it:
so the pipe keeps what was written apart (O_DIRECT in pipe(2): a read gets one write's bytes), and what is
no record is dropped, and never shifts or spoils the others'. What is left to such a handler is to report in
another's name, which spoils a line of the log and the counters.
"""

import os
from struct import Struct

# How a connection ended, as far as its handler can know.
QUIT = 1  # the client said so
CLIENT_CLOSED = 2  # between two requests
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

# The exit status of a handler that cannot report, because it gets no memory (EX_OSERR).
EXIT_NO_MEMORY = 71

# handler (its PID), ending, requests answered, bytes received, bytes sent, and of a request that had no
# answer the length and the bytes
_RECORD = Struct("<iiQQQ13p")
SIZE = _RECORD.size

encode = _RECORD.pack
decode = _RECORD.unpack


def _is_sound(record: bytes) -> bool:
    """Whether it can be understood."""
    if len(record) != SIZE:
        return False
    _, ending, *_, request = decode(record)
    is_known: bool = QUIT <= ending <= REQUEST_LIMIT
    return is_known and (ending != UNKNOWN_OPERATION or len(request) > 0)


def open_pipe() -> tuple[int, int]:
    """The reading end, which does not block, and the writing end, for handlers."""
    ends = os.pipe2(os.O_CLOEXEC | os.O_DIRECT)
    os.set_blocking(ends[0], False)
    return ends


class Inbox:
    """Where handlers' records arrive: the pipe's non-blocking reading end."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe
        self._records: dict[int, bytes] = {}  # of handlers that have reported and not been asked about

    def read(self) -> list[int]:
        """Takes what has arrived; returns the handlers that have reported and not been asked about."""
        self._read_until(None)
        return list(self._records)

    def take(self, handler: int) -> bytes:
        """The record of a handler that has been waited for; empty when it died before it could report, or
        has written something else."""
        self._read_until(handler)
        return self._records.pop(handler, b"")

    def _read_until(self, wanted: int | None) -> None:
        """Takes what has arrived, at most until the record of the wanted handler; None for all of it."""
        while wanted not in self._records:
            try:
                record = os.read(self.pipe, SIZE + 1)  # longer than a record is none either
            except BlockingIOError:
                break
            if not record:
                break
            if _is_sound(record):
                self._records[decode(record)[0]] = record
