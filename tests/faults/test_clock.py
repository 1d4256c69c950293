"""Somebody sets the clock, forward and backward, while clients are served.

The machine's clock is others' as well, and no namespace has a wall clock of its own (time_namespaces(7)): a
library that the loader puts in front of the C library adds the step, in all three of calcd's processes.
"""

import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest
from support.c_programs import build
from support.clients import Clients
from support.daemon import REPORT_LOST, Calcd, ask
from support.processes import Process, wait_for

from calcd.protocol.classic import Operation

DAY = 86_400
STEPS = [DAY, -DAY, 20 * 365 * DAY, -20 * 365 * DAY, 0]
DIED = r"the listener \d+ died: killed by signal 9 \(SIGKILL\); .*"


class Clock:
    """The wall clock of a mount namespace in which the library is preloaded."""

    def __init__(self, folder: Path) -> None:
        self._offset = folder / "offset"
        self.step_to(0)
        self.library = build("step_clock", folder, "-shared", "-fPIC", f'-DOFFSET_FILE="{self._offset}"')
        etc = folder / "etc"
        etc.mkdir()
        (etc / "ld.so.preload").write_text(f"{self.library}\n")
        mount = f"mount -t overlay -o lowerdir={etc}:/etc overlay /etc"
        self.prefix = ("unshare", "--mount", "sh", "-ec", f'{mount}; exec "$@"', "sh")

    def step_to(self, seconds: int) -> None:
        """Away from the true time. Written in place: who has mapped it sees it at once."""
        with open(self._offset, "r+b" if self._offset.exists() else "wb") as file:
            file.write(struct.pack("@l", seconds))

    def is_that_of(self, process: Process) -> bool:
        """Or it has just ended: it has no memory then."""
        try:
            maps = Path(f"/proc/{process.pid}/maps").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        return not maps or str(self.library) in maps


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    folder = tmp_path / "clock"
    folder.mkdir()
    return Clock(folder)


@pytest.fixture
def calcd(folder: Path, clock: Clock) -> Calcd:
    calcd = Calcd(folder, prefix=clock.prefix)
    calcd.config.write_text("[calcd]\nDrainTime=500ms\n")
    calcd.expected += [DIED, REPORT_LOST]
    return calcd


def test_the_test_s_clock_is_stepped(clock: Clock) -> None:
    """And its monotonic clock is not."""
    clock.step_to(DAY)
    both = "import time; print(time.time(), time.monotonic())"
    wall, monotonic = map(float, subprocess.check_output([*clock.prefix, "python3", "-c", both]).split())
    assert abs(wall - time.time() - DAY) < 60
    assert abs(monotonic - time.monotonic()) < 60


def test_a_step_of_the_clock_changes_no_answer_and_no_deadline(calcd: Calcd, clock: Clock) -> None:
    with calcd, Clients(calcd.address, spare=len(STEPS)) as clients:
        for number, step in enumerate(STEPS, 1):
            clock.step_to(step)
            clients.wait_for_answers()
            # Whether it is replaced at once, or a while later, is reckoned from its start.
            os.kill(calcd.listener.pid, signal.SIGKILL)
            calcd.wait_for_log(DIED, number)
            clients.wait_for_answers()
            assert calcd.reload().returncode == 0
            wait_for(lambda: len(calcd.listeners) == 1, "the old listener to end")
        assert all(map(clock.is_that_of, [calcd.supervisor, calcd.listener, *calcd.handlers]))
        ended = [float(line[1]) for line in calcd.wait_for_log(r"connection \d+ .* ended after (\S+) s: .*")]
        assert ended
        assert all(0 <= seconds < 60 for seconds in ended)


@pytest.mark.parametrize("step", [DAY, -DAY])
def test_a_step_of_the_clock_changes_no_drain_time(calcd: Calcd, clock: Clock, step: int) -> None:
    calcd.expected.append(r"connection \d+ .* its handler \d+ died: killed by signal 9 \(SIGKILL\); .*")
    with calcd, calcd.connect() as stuck:
        ask(stuck, Operation.ADD, 1, 1)
        (handler,) = calcd.handlers
        os.kill(handler.pid, signal.SIGSTOP)
        began = time.monotonic()
        calcd.signal(signal.SIGTERM)
        calcd.wait_for_log("stopping: .*")
        clock.step_to(step)
        calcd.wait_until_gone()
        assert 0.5 <= time.monotonic() - began < 30
