"""Lines on standard input, one line of output for each.

Output line n belongs to input line n: the result, the word "error", or nothing for a blank line or a
comment (#). What has arrived is answered before more is waited for, so a coprocess that writes one line
can read one line.
"""

import os
import sys
from collections.abc import Iterator

from calcd.client.connection import encode
from calcd.client.errors import ClientError
from calcd.client.expression import parse
from calcd.client.reconnecting import ReconnectingClient

_CHUNK = 1 << 16  # what a pipe holds


def run(client: ReconnectingClient, source: int, sink: int) -> int:
    """Answers the lines of the descriptor source on the descriptor sink; returns how many were bad.

    Raises what ReconnectingClient.exchange does, and OSError when reading or writing fails.
    """
    number = bad = 0
    for lines in _lines_as_they_come(source):
        frames = []
        answers: list[str | None] = []  # None: asked of the server
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
    """All whole lines of each read; the last line needs no newline."""
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
