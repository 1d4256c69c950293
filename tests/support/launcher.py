"""A calcd that is caught between its launch and the moment it serves."""

import contextlib
import os
import signal
from collections.abc import Iterator

from support.daemon import Calcd
from support.processes import Process, wait_for


@contextlib.contextmanager
def held_back(calcd: Calcd) -> Iterator[Process]:
    """The daemon, stopped (SIGSTOP) before it serves, while its launcher waits for it; it goes on at the
    end, and calcd.outcome() says how that went."""
    while not (daemon := _hold_back(calcd)):
        calcd.stop()  # too late: it served already
    try:
        yield daemon
    finally:
        os.kill(daemon.pid, signal.SIGCONT)


def _hold_back(calcd: Calcd) -> Process | None:
    lines = len(calcd.log())
    calcd.launch()
    wait_for(lambda: _is_written(calcd), "the pidfile")
    daemon = Process(int(calcd.pidfile.read_text()))
    os.kill(daemon.pid, signal.SIGSTOP)
    wait_for(lambda: daemon.status("State").startswith("T"), "a daemon that is stopped")
    if len(calcd.log()) == lines:
        return daemon
    os.kill(daemon.pid, signal.SIGCONT)
    assert calcd.outcome().returncode == 0
    return None


def _is_written(calcd: Calcd) -> bool:
    return calcd.pidfile.exists() and calcd.pidfile.read_text() != ""
