"""The pidfile: one calcd at a time, and where to find it.

1.  What says that calcd runs is the lock (flock(2)), not the file: the kernel takes the lock away from
    a process that ends, however it ends. So a file that a kill -9 or a power cut left behind, an empty
    one, or one that names a PID somebody else has by now, is simply locked and written anew.
2.  The lock is taken before anything else and while the caller's terminal is there to complain to. It
    survives the forks of daemonizing, which share the open file.
3.  The file is written in place: renaming a new one over it would leave the lock on a file without a
    name. It is removed at the end while the lock is still held; whoever waited at that moment for the
    lock sees that the name is another file's now (stat(2) against fstat(2)) and opens again.
4.  A symbolic link is never followed, and a file with a second name never written: as root, in a folder
    of the unprivileged user's, both would let that user overwrite any file.
"""

import contextlib
import errno
import fcntl
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from calcd.supervisor.failure import ExitStatus, Failure
from calcd.supervisor.held import ownership
from calcd.supervisor.held.ownership import Identity


class Pidfile:
    """A context manager, as python-daemon's DaemonContext wants it: entered by the daemon itself."""

    def __init__(self, path: Path, owner: Identity) -> None:
        """Locks the file and empties it, so that nobody takes an old number in it for calcd's; makes
        its folder if that is missing. owner will be able to remove it.

        Raises Failure.
        """
        self.path = path
        try:
            self._make_folder(owner)
            while True:
                self._file = self._open()
                if self.is_in_place():
                    break
                os.close(self._file)
            os.ftruncate(self._file, 0)
            os.fchmod(self._file, 0o644)
            ownership.give(self._file, owner)
        except OSError as error:
            raise _failure(path, error) from error

    def fileno(self) -> int:
        return self._file

    def __enter__(self) -> Self:
        """Writes this process's PID. Raises Failure."""
        try:
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise _failure(self.path, error) from error
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Removes the file, unless somebody else has put another in its place, and unlocks it. Once."""
        if self._file == -1:
            return
        if self.is_in_place():
            # In a folder of root's, and with root's rights gone, or where the file system has become
            # read-only, it stays, and hinders nobody.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, 0)
                self.path.unlink()
        os.close(self._file)
        self._file = -1

    def _make_folder(self, owner: Identity) -> None:
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o755)
        except FileExistsError:
            return
        ownership.give(folder, owner)

    def _open(self) -> int:
        """The file, open and locked."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(self.path, flags, 0o644)
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise Failure(
                ExitStatus.CANNOT_CREATE,
                f"pidfile {self.path} is not an ordinary file with one name: remove it, or give another "
                "with --pidfile",
            )
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            content = os.read(file, 32).strip()
            holder = f"by PID {content.decode()}" if content.isdigit() else "by one that is just starting"
            raise Failure(
                ExitStatus.TRY_AGAIN,
                f"calcd is running already: pidfile {self.path} is held {holder}; stop that one first, or "
                "give this one another --pidfile and --listen",
            ) from None
        return file

    def is_in_place(self) -> bool:
        """False when the file has been removed, or another has its name."""
        try:
            named = os.stat(self.path, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return os.path.samestat(named, os.fstat(self._file))


def _failure(path: Path, error: OSError) -> Failure:
    match error.errno:
        case errno.ELOOP:
            return Failure(
                ExitStatus.CANNOT_CREATE,
                f"pidfile {path} is a symbolic link, which is not followed: remove it",
            )
        case errno.EACCES | errno.EPERM:
            remedy = "start calcd as root, or give another with --pidfile"
            return Failure(ExitStatus.NO_PERMISSION, f"pidfile {path}: {error.strerror}: {remedy}")
        case errno.EROFS:
            remedy = "mount it writable, or give another with --pidfile"
            return Failure(ExitStatus.CANNOT_CREATE, f"pidfile {path}: {error.strerror}: {remedy}")
        case _:
            remedy = "make room or the folder for it, or give another with --pidfile"
            return Failure(ExitStatus.CANNOT_CREATE, f"pidfile {path}: {error.strerror}: {remedy}")
