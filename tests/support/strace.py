"""System calls that fail, in a process that runs: strace(1), "Tampering"."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from support.daemon import Calcd
from support.processes import Process

# Of one that is used again: strace makes a call fail by giving it the number -1, which the seccomp filter of
# a handler that has served a connection has no place for.
_TAMPERED = r"handler \d+ died while it waited for a connection: killed by signal 31 \(SIGSYS\); .*"


NOWHERE = Path(os.devnull)


def injected(process: Process, *faults: str, trace: Path = NOWHERE) -> AbstractContextManager[None]:
    """While it lasts, system calls fail as strace's -e inject= says, such as accept4:error=EMFILE. Children
    that the process forks meanwhile are left alone. trace gets a line for each call."""
    return _injected([process], ["-o", str(trace)], faults)


@contextlib.contextmanager
def injected_in_handlers(calcd: Calcd, *faults: str) -> Iterator[None]:
    """The same for a daemon's listener, its handlers, and those that it forks meanwhile."""
    if "ConnectionsPerHandler=" in calcd.handlers_are:
        calcd.expected.append(_TAMPERED)
    listener = calcd.listener
    os.kill(listener.pid, signal.SIGSTOP)  # so that none is forked between these two
    try:
        processes = [listener, *listener.children()]
        with _injected(processes, ["-f", "-o", str(NOWHERE)], faults):
            os.kill(listener.pid, signal.SIGCONT)
            yield
    finally:
        os.kill(listener.pid, signal.SIGCONT)


@contextlib.contextmanager
def _injected(processes: Sequence[Process], options: Sequence[str], faults: Sequence[str]) -> Iterator[None]:
    injections = [word for fault in faults for word in ("-e", f"inject={fault}")]
    calls = ",".join(fault.partition(":")[0] for fault in faults)
    pids = [word for process in processes for word in ("-p", str(process.pid))]
    strace = subprocess.Popen(
        ["strace", *options, *pids, "-e", f"trace={calls}", *injections],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert strace.stderr is not None
    try:
        for process in processes:
            line = strace.stderr.readline()
            attached = line == f"strace: Process {process.pid} attached\n"
            # A handler may have ended.
            assert attached or (process != processes[0] and str(process.pid) in line), line
        # What it says of those that come has room in the pipe.
        yield
    finally:
        strace.terminate()  # it lets go of the processes first
        strace.communicate()
