"""A program on a terminal of its own, and somebody who types."""

import os
import pty
import select
import signal
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from support.processes import DEADLINE


class Terminal:
    """Runs in a with statement; what the program shows is kept in shown."""

    def __init__(
        self, command: list[str], environment: dict[str, str], columns: int = 0, kind: str = "dumb"
    ) -> None:
        """columns 0 leaves the program to guess how wide the terminal is. A dumb one gets no escape sequences
        from readline, and no hints from redis-cli."""
        self.shown = ""
        self._status: int | None = None
        self._pid, self._fd = pty.fork()  # makes it the controlling terminal, so that Ctrl-C works
        if self._pid == 0:
            termios.tcsetwinsize(0, (0, columns))
            os.execve(command[0], command, {**environment, "TERM": kind})

    def press(self, keys: str | bytes) -> None:
        os.write(self._fd, keys.encode() if isinstance(keys, str) else keys)

    def expect(self, text: str) -> str:
        """Waits until text is shown, and takes what was shown up to its end."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.shown:
            assert self._read(deadline), f"{text!r} was not shown, but {self.shown!r}"
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def settle(self) -> None:
        """Waits until the program sleeps, that is, waits for a key.

        CPython's readline loop takes notice of a signal only while it waits; one that comes while it works
        on a key is seen after the next key.
        """
        deadline = time.monotonic() + DEADLINE
        stat = Path(f"/proc/{self._pid}/stat")
        while stat.read_text().rpartition(")")[2].split()[0] != "S":
            assert time.monotonic() < deadline, "the program does not come to rest"

    def wait(self) -> int:
        """Waits for the program's end and returns its exit status, negative for a signal."""
        deadline = time.monotonic() + DEADLINE
        while self._read(deadline):
            pass
        assert time.monotonic() < deadline, f"the program does not end, and showed {self.shown!r}"
        return self._reap()

    def _read(self, deadline: float) -> bool:
        """False when the program has closed the terminal, or the deadline has passed."""
        if not select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._fd, 4096)
        except OSError:  # EIO: nobody has the other side open
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)

    def _reap(self) -> int:
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self._status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is None:
            os.kill(self._pid, signal.SIGKILL)
            self._reap()
        os.close(self._fd)
