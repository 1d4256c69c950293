"""The pidfile: it holds calcd's PID, and its lock ensures that only one calcd runs with it.

1.  The lock (flock(2)) says that calcd runs, not the file. The kernel releases the lock when the process
    ends, however it ends. So a file that is left after kill -9 or a power cut, an empty file, or a file with
    a PID that another process has by now, is locked and written again.
2.  The lock is taken before anything else, while errors can still go to the caller's terminal. It survives
    the forks of daemonizing, which share the open file.
3.  The file is written in place. If a new file were renamed over it, the lock would be on a file without a
    name. At the end, the file is removed while the lock is held. A process that opens the file at that moment
    finds that the name belongs to another file or to none (stat(2) against fstat(2)), and opens it again.
4.  A symbolic link is never followed, and a file with a second name is never written. As root, in a folder
    of an unprivileged user, either would let that user overwrite any file.
"""

import contextlib
import errno
import fcntl
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from calcd.supervisor.failure import ExitStatus, Failure, shortage
from calcd.supervisor.held import file_id, ownership
from calcd.supervisor.held.ownership import Identity
from calcd.supervisor.records import Fd


class OpenPidfile(NamedTuple):
    """A locked pidfile, as one supervisor hands it to the next."""

    path: Path
    file: Fd


class Pidfile:
    """A locked pidfile. It is a context manager for python-daemon's DaemonContext, entered by the daemon."""

    def __init__(self, given: OpenPidfile) -> None:
        self.path = given.path
        self._file: int = given.file

    def handed_over(self) -> OpenPidfile:
        return OpenPidfile(self.path, Fd(self._file))

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
        """Unlocks the file, and removes it unless another file has its name. A second call does nothing."""
        if self._file == -1:
            return
        # The file stays if only root may look for it or remove it and calcd is no longer root, or if the file
        # system has become read-only. Unlocked, it does no harm.
        with contextlib.suppress(OSError):
            if self.is_in_place():
                os.ftruncate(self._file, 0)
                self.path.unlink()
        os.close(self._file)
        self._file = -1

    def is_in_place(self) -> bool:
        """Returns False if the file has been removed, or another one has its name."""
        return file_id.is_at(self.path, file_id.of(self._file))


def lock(path: Path, owner: Identity) -> Pidfile:
    """Locks the file and empties it, so that nobody takes an old number for calcd's PID.

    A missing folder is made. owner becomes the owner, so that it can remove the file.

    Raises Failure.
    """
    try:
        _make_folder(path.parent, owner)
        while True:
            file = _open(path)
            if file_id.is_at(path, file_id.of(file)):
                break
            os.close(file)
        os.ftruncate(file, 0)
        os.fchmod(file, 0o644)
        ownership.give(file, owner)
    except OSError as error:
        raise _failure(path, error) from error
    return Pidfile(OpenPidfile(path, Fd(file)))


def _make_folder(folder: Path, owner: Identity) -> None:
    try:
        folder.mkdir(mode=0o755)
    except FileExistsError:
        return
    ownership.give(folder, owner)


def _open(path: Path) -> int:
    """Returns the file, open and locked. Raises OSError, and Failure if another calcd has the lock."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(path, flags, 0o644)
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise Failure(
            ExitStatus.CANNOT_CREATE,
            f"pidfile {path} is not an ordinary file with one name: remove it, or give another with "
            "--pidfile",
        )
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        content = os.read(file, 32).strip()
        holder = f"by PID {content.decode()}" if content.isdigit() else "by one that is just starting"
        raise Failure(
            ExitStatus.TRY_AGAIN,
            f"calcd is running already: pidfile {path} is held {holder}; stop that one first, or give this "
            "one another --pidfile and --listen",
        ) from None
    return file


def _failure(path: Path, error: OSError) -> Failure:
    if short := shortage(f"pidfile {path}", error):
        return short
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
