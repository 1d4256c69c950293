"""Giving way to processes that were just forked."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from support.processes import Process, wait_for

from calcd.linux.give_way import GiveWay


def context_switches() -> int:
    this = Process(os.getpid())
    return sum(int(this.status(f"{kind}_ctxt_switches")) for kind in ("voluntary", "nonvoluntary"))


@contextmanager
def computing(processes: int, cpu: int) -> Iterator[None]:
    """Processes that compute on the same CPU as this one."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()
        os.sched_setaffinity(0, before)


def test_beside_processes_that_compute_it_stops_giving_way() -> None:
    give_way = GiveWay()
    with computing(2, min(os.sched_getaffinity(0))):

        def gives_way_no_more() -> bool:
            """Whether a hundred calls have let nobody else run: the kernel can at most end a time slice."""
            give_way.to(3)
            before = context_switches()
            for _ in range(100):
                give_way.to(3)
            return context_switches() - before < 10

        wait_for(gives_way_no_more, "a pause")
