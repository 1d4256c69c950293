"""The lines of earlier prompts, kept in a file.

Python's readline may be GNU's or libedit, which keeps a history in a format of its own. So the file is read
and written here. Whatever goes wrong with it, the prompt does without.
"""

import contextlib
import os
from collections.abc import Callable

_LINES = 1000


class History:
    """The lines that this prompt adds to the file."""

    def __init__(self, add: Callable[[str], None]) -> None:
        """add is told the lines of earlier prompts."""
        self._path = _path()
        self._new: list[str] = []
        lines = self._read()
        for line in lines:
            add(line)
        self._last = lines[-1] if lines else ""

    def take(self, line: str) -> None:
        """Keeps a line, unless it is blank or the same as the one before."""
        if line.strip() and line != self._last:
            self._new.append(line)
            self._last = line

    def save(self) -> None:
        """Appends, and so keeps the lines of another prompt that was open at the same time."""
        if not self._path or not self._new:
            return
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            self._write(self._path, "a", self._new)
            lines = self._read()
            if len(lines) > _LINES:
                self._write(self._path + ".new", "w", lines[-_LINES:])
                os.replace(self._path + ".new", self._path)

    def _read(self) -> list[str]:
        with contextlib.suppress(OSError), open(self._path, "rb") as file:
            return file.read().decode(errors="surrogateescape").split("\n")[:-1]
        return []

    @staticmethod
    def _write(path: str, mode: str, lines: list[str]) -> None:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, mode=0o600)

        with open(path, mode, encoding="utf-8", errors="surrogateescape", opener=private) as file:
            file.writelines(f"{line}\n" for line in lines)


def _path() -> str:
    """The file, or "" where there is no home."""
    state = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification says that a relative path is ignored.
    if not os.path.isabs(state):
        state = os.path.expanduser("~/.local/state")
    return os.path.join(state, "calc-client", "history") if os.path.isabs(state) else ""
