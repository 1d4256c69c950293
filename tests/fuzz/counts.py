"""What a fuzzer has done, in a file that both its processes see: libFuzzer leaves by _exit(2)."""

import mmap
from pathlib import Path
from typing import Self

NAMES = (
    "inputs",
    "streams",  # conversations held, with a session or with the daemon
    "frames",  # whole requests sent, and what ended a conversation counts as one
    # What the daemon's own counters have to agree with; of a client that goes before it reads, they may
    # have less.
    "least_requests",
    "most_requests",
    "least_errors",
    "most_errors",
)


_SIZE = 8 * len(NAMES)


class Counts:
    """Whole numbers as items, by NAMES."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._numbers = memoryview(memory).cast("Q")

    @classmethod
    def in_file(cls, path: Path) -> Self:
        """The file is made if there is none."""
        with path.open("a+b") as file:
            file.truncate(_SIZE)
            return cls(mmap.mmap(file.fileno(), _SIZE))

    @classmethod
    def in_memory(cls) -> Self:
        return cls(mmap.mmap(-1, _SIZE))

    def __getitem__(self, name: str) -> int:
        return self._numbers[NAMES.index(name)]

    def add(self, name: str, number: int = 1) -> None:
        self._numbers[NAMES.index(name)] += number
