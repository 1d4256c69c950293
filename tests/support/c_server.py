"""The C server of tests/c as a process that can be killed and started again on its port."""

import os
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from support.c_programs import build


class CServer:
    """Runs in a with statement. Its handlers share its process group, so that kill ends them too."""

    def __init__(self, directory: Path) -> None:
        self._program = build("server", directory)
        # Bound and never listening, with SO_REUSEADDR as the server has it: the port stays ours while the
        # server is down, and the server can still have it.
        self._reservation = socket.socket()
        self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reservation.bind(("127.0.0.1", 0))
        self.port: int = self._reservation.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it listens."""
        self._process = subprocess.Popen(
            [self._program, str(self.port)], stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == b"%d\n" % self.port

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.kill()
        self._reservation.close()
