"""Which file it is, whatever its name: stat(2)."""

import os
from pathlib import Path
from typing import NamedTuple


class FileId(NamedTuple):
    device: int
    inode: int


def of(file: Path | int) -> FileId:
    """Returns that of a path, or of a file descriptor. No symbolic link is followed. Raises OSError."""
    status = os.fstat(file) if isinstance(file, int) else file.lstat()
    return FileId(status.st_dev, status.st_ino)


def is_at(path: Path, file: FileId) -> bool:
    """Returns False if the path has been removed, or is another file. Raises OSError if that cannot be
    seen."""
    try:
        return of(path) == file
    except (FileNotFoundError, NotADirectoryError):
        return False
