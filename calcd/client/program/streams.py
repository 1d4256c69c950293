"""Standard input, output and error, as whoever started the program has left them: closed, or non-blocking."""

import contextlib
import os
import select
import sys


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


def complain(problem: object, *, name: str = "calc-client: ", end: str = "\n") -> None:
    """Says on standard error what is wrong. Where nobody can be told, nobody is."""
    encoding = sys.stderr.encoding if sys.stderr else "ascii"
    with contextlib.suppress(OSError):
        write(2, f"{name}{problem}{end}".encode(encoding, "backslashreplace"))


def _wait(descriptor: int, event: int) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    poll.poll()
