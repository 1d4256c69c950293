"""Answers lines of input, with one line of output for each.

Output line n belongs to input line n: the result, the word "error", or nothing for a blank line or a
comment (#). All lines that have arrived are answered before the next read. So a coprocess can write one line
and then read one line.
"""

import os
import sys
from collections.abc import Iterator

from calcd.client.connection import encode
from calcd.client.errors import ClientError
from calcd.client.expression import parse
from calcd.client.reconnecting import ReconnectingClient

_CHUNK = 1 << 16  # bytes: the size of a pipe


def run(client: ReconnectingClient, source: int, sink: int) -> int:
    """Reads lines from the file descriptor source, and answers on the file descriptor sink.

    Returns the number of bad lines. Raises as ReconnectingClient.exchange, and OSError if reading or writing
    fails.
    """
    number = bad = 0
    for lines in _lines_as_they_come(source):
        frames = []
        answers: list[str | None] = []  # None: the server has the answer
        for line in lines:
            number += 1
            answer: str | None = ""
            if line.strip() and not line.lstrip().startswith("#"):
                try:
                    frames.append(encode(*parse(line)))
                    answer = None
                except ClientError as error:
                    print(f"calc-client: line {number}: {error}", file=sys.stderr)
                    bad += 1
                    answer = "error"
            answers.append(answer)
        results = iter(client.exchange(b"".join(frames)) if frames else ())
        _write(sink, "".join(f"{next(results) if a is None else a}\n" for a in answers).encode())
    return bad


def _lines_as_they_come(source: int) -> Iterator[list[str]]:
    """Yields the whole lines of each read. The last line of the input needs no newline."""
    partial: list[bytes] = []
    while chunk := os.read(source, _CHUNK):
        whole, newline, rest = chunk.rpartition(b"\n")
        if newline:
            yield b"".join((*partial, whole)).decode(errors="replace").split("\n")
            partial.clear()
        partial.append(rest)
    if last := b"".join(partial):
        yield [last.decode(errors="replace")]


def _write(sink: int, data: bytes) -> None:
    while data:
        data = data[os.write(sink, data) :]
