"""What a handler tells about its connection when it ends: one fixed-size record.

A record is written to a pipe that all handlers share, in one write(2) of less than PIPE_BUF bytes,
which pipe(7) never mixes with another. It is written before the handler exits, so whoever has waited
for the handler finds it there.
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


class Inbox:
    """Where handlers' records arrive: the pipe's non-blocking reading end.

    A handler that has been taken over can write anything there. Then records may be lost, and nothing else.
    """

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe
        self._records: dict[int, bytes] = {}  # of handlers that have reported and not been asked about

    def take(self, handler: int) -> bytes:
        """The record of a handler that has been waited for; empty when it died before it could report."""
        while handler not in self._records:
            try:
                chunk = os.read(self.pipe, SIZE * 16)
            except BlockingIOError:
                break
            if not chunk:
                break
            for at in range(0, len(chunk) - SIZE + 1, SIZE):
                record = chunk[at : at + SIZE]
                self._records[decode(record)[0]] = record
        return self._records.pop(handler, b"")
