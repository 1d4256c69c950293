"""What /proc tells about processes."""

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from support.patience import patience

DEADLINE = patience(30)  # seconds; what has not come by then never will


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Returns when the condition holds; what names it for the case that it never does."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < patience(30), f"waited {waited:.0f} s in vain for {what}"
        time.sleep(0.005)


def stopped(processes: Callable[[], Iterable["Process"]]) -> "Process":
    """The first of the processes that has stopped itself with SIGSTOP, once one has."""
    found: list[Process] = []

    def has_stopped() -> bool:
        found[:] = [each for each in processes() if each.belongs(lambda p: p.status("State")[0] == "T")]
        return bool(found)

    wait_for(has_stopped, "a process that has stopped itself")
    return found[0]


class Process:
    """A process, by its PID; every property is read anew."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def __repr__(self) -> str:
        try:
            return f"<{self.pid}: {self.title}>"
        except (FileNotFoundError, ProcessLookupError):
            return f"<{self.pid}: gone>"

    def _stat(self) -> list[str]:
        # Behind the name, which is in parentheses and may hold anything: proc_pid_stat(5), field 3 on.
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()

    @property
    def exists(self) -> bool:
        """Running, or a zombie that nobody has waited for."""
        return Path(f"/proc/{self.pid}").exists()

    @property
    def is_zombie(self) -> bool:
        return self._stat()[0] == "Z"

    @property
    def parent(self) -> int:
        return int(self._stat()[1])

    @property
    def group(self) -> int:
        return int(self._stat()[2])

    @property
    def session(self) -> int:
        return int(self._stat()[3])

    @property
    def terminal(self) -> int:
        """The device number of the controlling terminal, 0 for none."""
        return int(self._stat()[4])

    @property
    def title(self) -> str:
        """What ps shows."""
        return Path(f"/proc/{self.pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()

    def status(self, field: str) -> str:
        """A line of /proc/PID/status: proc_pid_status(5)."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{field}:"))

    def files(self) -> dict[int, str]:
        """Its open file descriptors and what they lead to: proc_pid_fd(5)."""
        files = {}
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed in the meantime
                files[int(entry.name)] = os.readlink(entry)
        return files

    def may_write(self, fd: int) -> bool:
        """Whether a file is open for that: proc_pid_fdinfo(5)."""
        lines = Path(f"/proc/{self.pid}/fdinfo/{fd}").read_text().splitlines()
        flags = next(line.split()[1] for line in lines if line.startswith("flags:"))
        return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY

    def environment(self) -> dict[str, str]:
        """What its program was started with."""
        strings = Path(f"/proc/{self.pid}/environ").read_bytes().decode().split("\0")
        return dict(string.split("=", 1) for string in strings if "=" in string)

    def children(self) -> list["Process"]:
        return [process for process in every_process() if process.belongs(lambda p: p.parent == self.pid)]

    def belongs(self, test: Callable[["Process"], bool]) -> bool:
        """False for a process that has gone in the meantime, or that is not ours to look into."""
        try:
            return test(self)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return False


def every_process() -> list[Process]:
    return [Process(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def users_of(path: Path) -> list[Process]:
    """Who has the file open, as far as the caller may see that."""
    users: list[Process] = []
    seen: set[int] = set()
    # Until there is nobody new: one who has it may fork and be gone while the others are looked at.
    while new := [process for process in every_process() if process.pid not in seen]:
        seen |= {process.pid for process in new}
        users += [process for process in new if process.belongs(lambda p: str(path) in p.files().values())]
    return users


def of_session(session: int) -> list[Process]:
    """All processes of a session, but those that have ended and that init (PID 1), their parent by now,
    takes its time to wait for."""
    return [
        process
        for process in every_process()
        if process.belongs(lambda p: p.session == session and not (p.is_zombie and p.parent == 1))
    ]
