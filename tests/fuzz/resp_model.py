"""What a RESP connection has to come to: the protocol once more, plainly, from its description alone.

Nothing here is calcd's. It looks at the whole stream, one command after the other, and knows neither reads
nor batches.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from fuzz.resp_commands import Connection, Said
from fuzz.resp_reading import BrokenError, read_command
from fuzz.resp_replies import line_of

BEYOND_QUOTA = b"-ERR MaxRequests= is reached: calcd closes the connection\r\n"
QUIT, PROTOCOL_ERROR, STRANGER, QUOTA = "quit", "protocol error", "stranger", "quota"


class Conversation(NamedTuple):
    said: list[Said]
    ending: str | None
    last_words: bytes  # of a protocol error; who asks more than the quota allows may be told so
    pending: bytes


def converse(stream: bytes, quota: float = math.inf) -> Conversation:
    """What a client that sends the stream is answered, and what ends it."""
    connection = Connection()
    said: list[Said] = []
    at = 0
    while True:
        if len(said) >= quota:
            return Conversation(said, QUOTA, b"", b"")
        if at == len(stream):
            return Conversation(said, None, b"", b"")
        try:
            command = read_command(stream, at)
        except BrokenError as error:
            last = line_of(f"ERR Protocol error: {error}")
            return Conversation(said, PROTOCOL_ERROR, last, stream[at : at + 12])
        if command is None:
            return Conversation(said, None, b"", stream[at : at + 12])
        words, at = command
        if not words:
            continue
        if words[0].lower() in (b"post", b"host:", b"proxy", b"\0"):
            return Conversation(said, STRANGER, b"", b"")
        said.append(connection.say(words, at))
        if connection.has_quit:
            return Conversation(said, QUIT, b"", b"")
