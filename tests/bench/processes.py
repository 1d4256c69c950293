"""The processes that a server consists of: finding, weighing and ending all of them."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path

from support.processes import every_process

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def adopt_orphans() -> None:
    """What a server leaves behind becomes a child of this process, so that end_descendants() finds it."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(root: int) -> set[int]:
    parents: dict[int, int] = {}
    for process in every_process():
        # Processes end while this looks at them.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parents[process.pid] = process.parent
    found: set[int] = set()
    new = {root}
    while new := {pid for pid, parent in parents.items() if parent in new}:
        found |= new
    return found


def end(server: subprocess.Popen[bytes]) -> None:
    """Ends the server politely, then every process that is left of it."""
    server.terminate()
    try:
        server.wait(3)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    end_descendants()


def end_descendants() -> None:
    while left := descendants(os.getpid()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def memory(root: int) -> int:
    """The proportional set size of the process and its descendants, in KiB."""
    total = 0
    for pid in {root} | descendants(root):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total
