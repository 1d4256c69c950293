"""A file in memory that nobody can change any more: memfd_create(2), and seals in fcntl(2)."""

import fcntl
import os

_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


def write(name: str, content: bytes) -> int:
    """Returns the file descriptor of a new file with this content. Raises OSError."""
    file = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(file, "wb", closefd=False) as stream:
            stream.write(content)
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(file)
        raise
    return file


def read(file: int) -> bytes:
    """Returns the content. Raises OSError, and ValueError if it could still change."""
    if fcntl.fcntl(file, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
        raise ValueError("it is not sealed")
    return os.pread(file, os.fstat(file).st_size, 0)
