"""Clients that connect as fast as they can, while a test does something to their server."""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

PROGRAM = Path(__file__).with_name("load.py")


class Storm:
    """In a with statement, whose body begins when one is answered."""

    def __init__(self, server: str) -> None:
        """server is HOST:PORT or unix:/PATH."""
        command = [sys.executable, str(PROGRAM), "--clients", "8", "--server", server]
        self._load = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        assert self._load.stdout is not None
        assert self._load.stdout.readline() == "under way\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        output, _ = self._load.communicate()
        self.outcomes: dict[str, int] = json.loads(output)
        """How many connections ended how: ok, refused, reset, short, wrong, timed out."""
