"""The error for the person who started calcd, and the exit statuses."""

import enum
import errno
import os

from calcd.handler.acceptor import OUT_OF_RESOURCES
from calcd.supervisor import system_limits


class ExitStatus(enum.IntEnum):
    """The exit statuses of calcd: the numbers of sysexits.h, which systemctl(1) shows by name."""

    OK = os.EX_OK
    USAGE = os.EX_USAGE
    NO_USER = os.EX_NOUSER
    UNAVAILABLE = os.EX_UNAVAILABLE
    SOFTWARE = os.EX_SOFTWARE
    OS_ERROR = os.EX_OSERR
    CANNOT_CREATE = os.EX_CANTCREAT
    TRY_AGAIN = os.EX_TEMPFAIL
    NO_PERMISSION = os.EX_NOPERM
    CONFIG = os.EX_CONFIG

    @classmethod
    def _missing_(cls, _value: object) -> "ExitStatus":
        """A calcd of another version may answer with a status that this one does not know."""
        return cls.SOFTWARE


MEANINGS = {
    ExitStatus.OK: "calcd serves, or did what it was asked",
    ExitStatus.USAGE: "an option is unknown, or its value is wrong",
    ExitStatus.NO_USER: "the user or the group does not exist",
    ExitStatus.UNAVAILABLE: "an address is in use, or is not this machine's; or calcd was told to stop "
    "while it started",
    ExitStatus.SOFTWARE: "calcd has a defect, or its listener does not start",
    ExitStatus.OS_ERROR: "the system lacks or refuses what calcd needs, such as a package or a new process",
    ExitStatus.CANNOT_CREATE: "the pidfile, or a socket's file, cannot be made",
    ExitStatus.TRY_AGAIN: "another calcd holds the pidfile; or one is asked, and none answers",
    ExitStatus.NO_PERMISSION: "it takes more rights, such as root's",
    ExitStatus.CONFIG: "the configuration is wrong",
}


class Failure(Exception):  # noqa: N818 - caused by the user or the system, not by a defect
    """calcd cannot do what it was asked. str() names the thing, the cause and the remedy."""

    def __init__(self, status: ExitStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def system_failure(error: OSError) -> Failure:
    """Returns the Failure for something that every daemon needs: a process, a file descriptor, memory."""
    return Failure(ExitStatus.OS_ERROR, f"the system refuses what calcd needs: {error}; {_remedy(error)}")


def shortage(what: str, error: OSError) -> Failure | None:
    """Returns the Failure if the system lacks file descriptors or memory for what calcd opens, else None."""
    if error.errno not in OUT_OF_RESOURCES:
        return None
    return Failure(ExitStatus.OS_ERROR, f"{what}: {error.strerror}. {system_limits.words().accept}")


def _remedy(error: OSError) -> str:
    file = error.filename if isinstance(error.filename, str) else ""
    if file.startswith("/proc/") and not os.path.exists("/proc/self"):
        return "calcd needs /proc: mount it (mount -t proc proc /proc)"
    match error.errno:
        case errno.EMFILE | errno.ENFILE | errno.EAGAIN | errno.ENOMEM | errno.ENOSPC | errno.ENOBUFS:
            return "look at its limits (ulimit -a), and at free memory"
        case errno.EACCES | errno.EPERM if file:
            return f"the user that calcd runs as needs the right to use {file}"
        case _:
            return "strace -f shows which call fails; a container or a security module may forbid it"
