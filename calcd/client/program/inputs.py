"""The lines of files and of standard input, as they come."""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence

from calcd.client.program.grammar import MAX_LENGTH
from calcd.client.program.interrupts import Interrupts
from calcd.client.program.streams import read

STANDARD_INPUT = "-"

_CHUNK = 1 << 16  # bytes: the size of a pipe
_MARK = b"\xef\xbb\xbf"  # of the byte order, with which editors begin a file of UTF-8
# A character has at most 4 bytes. What is longer is not kept, however much there is.
_TOO_LONG = 4 * MAX_LENGTH


class UnreadableFileError(Exception):
    """A file cannot be opened or read."""


class Inputs:
    """Files, by their names, and - for standard input."""

    def __init__(self, names: Sequence[str], interrupts: Interrupts) -> None:
        self.size = _size(names)  # bytes; None where it is not known
        self.taken = 0  # bytes that were read
        self._interrupts = interrupts

    def lines(self, name: str) -> Iterator[list[str]]:
        """Yields the whole lines of each read. The last line needs no newline.

        Raises UnreadableFileError, OSError for standard input, and KeyboardInterrupt.
        """
        if name == STANDARD_INPUT:
            yield from self._lines(0)
            return
        try:
            with self._interrupts:  # the opening of a pipe waits for its writer
                source = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                yield from self._lines(source)
            finally:
                os.close(source)
        except OSError as error:
            raise UnreadableFileError(f"{name}: {error.strerror}") from error

    def _lines(self, source: int) -> Iterator[list[str]]:
        partial = b""
        chunk = self._read(source).removeprefix(_MARK)
        while chunk:
            whole, newline, rest = chunk.rpartition(b"\n")
            if newline:
                yield _text(partial + whole).split("\n")
                partial = rest
            else:
                partial = (partial + rest)[: _TOO_LONG + 1]
            chunk = self._read(source)
        if partial:
            yield [_text(partial)]

    def _read(self, source: int) -> bytes:
        with self._interrupts:
            chunk = read(source, _CHUNK)
        self.taken += len(chunk)
        return chunk


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _size(names: Sequence[str]) -> int | None:
    total = 0
    for name in names:
        with contextlib.suppress(OSError):  # which is told when it is read
            is_standard = name == STANDARD_INPUT
            about = os.fstat(0) if is_standard else os.stat(name)
            if not stat.S_ISREG(about.st_mode):
                return None
            total += about.st_size - (os.lseek(0, 0, os.SEEK_CUR) if is_standard else 0)
    return total
