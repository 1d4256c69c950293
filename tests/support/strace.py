"""System calls that fail, in a process that runs: strace(1), "Tampering"."""

import contextlib
import subprocess
from collections.abc import Iterator

from support.processes import Process


@contextlib.contextmanager
def injected(process: Process, *faults: str) -> Iterator[None]:
    """While it lasts, system calls fail as strace's -e inject= says, such as accept4:error=EMFILE. Children
    that the process forks meanwhile are left alone."""
    options = [word for fault in faults for word in ("-e", f"inject={fault}")]
    calls = ",".join(fault.partition(":")[0] for fault in faults)
    strace = subprocess.Popen(
        ["strace", "-p", str(process.pid), "-o", "/dev/null", "-e", f"trace={calls}", *options],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert strace.stderr is not None
    try:
        attached = strace.stderr.readline()
        assert attached == f"strace: Process {process.pid} attached\n", attached
        yield
    finally:
        strace.terminate()  # it lets go of the process first
        strace.communicate()
