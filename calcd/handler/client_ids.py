"""Numbers for connections, as CLIENT ID tells them: unique among all handlers, and growing."""

from __future__ import annotations

import os
from time import monotonic

# A second has more numbers than connections. So those of a listener that starts later begin above those of
# one that still serves. A file's size has 44 bits on 32-bit systems, so there are 17 years of uptime.
_IN_A_SECOND = 1 << 15


class ClientIds:
    """The position in an empty file. All handlers share it, because they inherit the open file (fork(2)), and
    lseek(2) moves it and tells where it is in one step. It is open for reading alone: a hijacked handler that
    could write to it could fill the memory."""

    __slots__ = ("_file",)

    def __init__(self) -> None:
        empty = os.memfd_create("client ids", os.MFD_CLOEXEC)
        self._file = os.open(f"/proc/self/fd/{empty}", os.O_RDONLY | os.O_CLOEXEC)
        os.close(empty)
        os.lseek(self._file, int(monotonic() * _IN_A_SECOND), os.SEEK_SET)

    def next(self) -> int:
        return os.lseek(self._file, 1, os.SEEK_CUR)

    def fileno(self) -> int:
        return self._file
