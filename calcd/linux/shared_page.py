"""Memory that one process writes and others only read: two texts, which nobody ever sees half.

1.  The readers map the memory from a file descriptor that is open for reading alone. So the kernel lets them
    make it writable neither at once nor later (mprotect(2)). A seal (F_SEAL_FUTURE_WRITE) would say the same,
    but it would also hold for a writer that executes its program anew and has to map the memory again.
2.  There are two copies, which the writer writes in turn, each with its number and a checksum. A reader
    copies the newest one that is whole. So nobody waits for anybody, and a writer that dies in the middle
    leaves the copy from before.
3.  A reader makes no system call, so it can read under any filter.
"""

from __future__ import annotations

import os
from _ctypes import get_errno
from binascii import crc32
from struct import Struct

from calcd.linux.libc import Char, UnsignedLong, libc

Texts = tuple[bytes, bytes]

# Bytes of a copy, and of both texts together.
_COPY_SIZE = 32_768
_HEAD = Struct("<QII")  # the copy's number, the lengths of the texts
_CHECKSUM = Struct("<I")  # of the head and the texts, which follow it
ROOM = _COPY_SIZE - _HEAD.size - _CHECKSUM.size

_PROT_READ, _MAP_SHARED = 1, 1  # mmap(2)
_FAILED = UnsignedLong(-1).value
# A reader finds no whole copy if the writer has written both while it read, which takes the writer ages.
_ATTEMPTS = 3


class Writer:
    def __init__(self, file: int, for_reading: int, number: int) -> None:
        """for_reading is the file descriptor for readers, who inherit it; number is the newest copy's."""
        self.file = file
        self.for_reading = for_reading
        self.number = number

    def write(self, texts: Texts) -> None:
        """Replaces the texts. Raises ValueError if they are longer than ROOM."""
        first, second = texts
        if len(first) + len(second) > ROOM:
            raise ValueError(f"{len(first)} and {len(second)} bytes do not fit into {ROOM}")
        self.number += 1
        content = _HEAD.pack(self.number, len(first), len(second)) + first + second
        at = self.number % 2 * _COPY_SIZE
        os.pwrite(self.file, _CHECKSUM.pack(crc32(content)) + content, at)


def make() -> Writer:
    """Makes the memory. Raises OSError."""
    file = os.memfd_create("calcd's numbers", os.MFD_CLOEXEC)
    os.posix_fallocate(file, 0, 2 * _COPY_SIZE)  # all of it: write() shall not fail later
    return Writer(file, os.open(f"/proc/self/fd/{file}", os.O_RDONLY | os.O_CLOEXEC), 0)


class Reader:
    __slots__ = ("_memory",)

    def __init__(self, fd: int) -> None:
        """Maps the memory, of Writer.for_reading, and closes the file descriptor. Raises OSError."""
        mmap = libc.mmap
        mmap.argtypes = (UnsignedLong,) * 6
        mmap.restype = UnsignedLong
        address = mmap(0, 2 * _COPY_SIZE, _PROT_READ, _MAP_SHARED, fd, 0)
        if address == _FAILED:
            error = get_errno()
            raise OSError(error, f"mmap: {os.strerror(error)}")
        os.close(fd)
        self._memory = memoryview((Char * (2 * _COPY_SIZE)).from_address(address))

    def read(self) -> Texts | None:
        """Returns the texts, or None if the writer has not written any yet."""
        for _ in range(_ATTEMPTS):
            copies = [copy for at in (0, _COPY_SIZE) if (copy := self._copy(at))]
            if copies:
                _, first, second = max(copies)
                return first, second
        return None

    def _copy(self, at: int) -> tuple[int, bytes, bytes] | None:
        """Returns a copy's number and texts, or None if it is not whole."""
        begin = at + _CHECKSUM.size
        (checksum,) = _CHECKSUM.unpack(self._memory[at:begin].tobytes())
        number, first, second = _HEAD.unpack(self._memory[begin : begin + _HEAD.size].tobytes())
        size = _HEAD.size + first + second
        if not number or first + second > ROOM:
            return None
        content = self._memory[begin : begin + size].tobytes()
        # The head may have changed between the two looks; the checksum is that of what is in content.
        if crc32(content) != checksum:
            return None
        texts = content[_HEAD.size :]
        return number, texts[:first], texts[first:]
