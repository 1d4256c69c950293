"""Standard input, output and error, as whoever started the program has left them: closed, or non-blocking."""

import contextlib
import os
import select
import sys

from calcd.client.program.colours import RED, painted


def open_closed() -> None:
    """Opens /dev/null in place of standard streams that are closed.

    Else the connection would get such a number, and be read or written in its place. It is open only for
    reading, so that a write to a closed standard output still fails.
    """
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) <= 2:
        pass
    os.close(descriptor)


def read(source: int, size: int) -> bytes:
    """As os.read, and waits also if the file is non-blocking."""
    while True:
        try:
            return os.read(source, size)
        except BlockingIOError:
            _wait(source, select.POLLIN)


def write(sink: int, data: bytes) -> None:
    """Writes all of data, and waits also if the file is non-blocking."""
    while data:
        try:
            data = data[os.write(sink, data) :]
        except BlockingIOError:
            _wait(sink, select.POLLOUT)


def complain(problem: object, *, name: str = "calc-client:") -> None:
    """Says on standard error what is wrong. Its first word, or without name its first line, is red there."""
    first, newline, rest = str(problem).partition("\n")
    first = f"{painted(name, RED, 2)} {first}" if name else painted(first, RED, 2)
    say(f"{first}{newline}{rest}\n")


def say(text: str) -> None:
    """Writes to standard error. Where nobody can be told, nobody is."""
    encoding = sys.stderr.encoding if sys.stderr else "ascii"
    with contextlib.suppress(OSError):
        write(2, text.encode(encoding, "backslashreplace"))


def _wait(descriptor: int, event: int) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    poll.poll()
