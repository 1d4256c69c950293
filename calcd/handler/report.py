"""What a handler tells about its connection when it ends: one fixed-size record.

A record is written to a pipe that all handlers share, in one write(2) of less than PIPE_BUF bytes,
which pipe(7) never mixes with another. It is written before the handler exits, so whoever has waited
for the handler finds it there.
"""

import enum
import os
import struct
from typing import NamedTuple


class Ending(enum.IntEnum):
    """How a connection ended, as far as its handler can know."""

    QUIT = 1  # the client said so
    CLIENT_CLOSED = 2  # between two requests
    TRUNCATED = 3  # the client closed in the middle of a request
    DIVISION_BY_ZERO = 4  # closed by calcd: the protocol has no way to say it
    UNKNOWN_OPERATION = 5  # likewise
    CONNECTION_LOST = 6  # reset by the client, or by the network
    DRAINED = 7  # closed by calcd because it stops


class Report(NamedTuple):
    handler: int  # its PID
    ending: Ending
    requests: int  # answered
    received: int  # bytes
    sent: int  # bytes


_RECORD = struct.Struct("<iiQQQ")
SIZE = _RECORD.size


def encode(report: Report) -> bytes:
    return _RECORD.pack(*report)


def decode(record: bytes) -> Report:
    """Raises struct.error or ValueError for anything that encode() does not return."""
    handler, ending, requests, received, sent = _RECORD.unpack(record)
    return Report(handler, Ending(ending), requests, received, sent)


def read_all(pipe: int) -> dict[int, bytes]:
    """The records that are in the pipe now, by handler; pipe is its non-blocking reading end."""
    records: dict[int, bytes] = {}
    while True:
        try:
            chunk = os.read(pipe, SIZE * 1024)
        except BlockingIOError:
            return records
        if not chunk:  # no handler is left that could write one
            return records
        for at in range(0, len(chunk), SIZE):
            records[int.from_bytes(chunk[at : at + 4], "little", signed=True)] = chunk[at : at + SIZE]
