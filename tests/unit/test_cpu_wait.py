"""How long a process has waited for a processor."""

import os
import subprocess
import sys
import time

from calcd.linux.cpu_wait import CpuWait

# Waits for a processor, and says so, beside another process that does nothing but compute.
PROGRAM = """
import os
import signal
from calcd.linux.cpu_wait import CpuWait
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
wait = CpuWait()
busy = os.fork()
signal.alarm(30)
while not busy:
    pass
in_all = 0.0
while in_all < 0.05:
    in_all += wait.since_last_call()[1]
os.kill(busy, signal.SIGKILL)
os.wait()
"""


def test_it_grows_when_another_process_has_the_processor() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], check=True)


def test_it_is_of_the_time_since_the_last_call() -> None:
    began = time.monotonic()
    wait = CpuWait()
    looks = [wait.since_last_call() for _ in range(1000)]
    with open("/proc/self/schedstat") as schedstat:
        in_all = int(schedstat.read().split()[1]) / 1e9
    assert sum(passed for passed, _ in looks) <= time.monotonic() - began + 1e-6
    assert sum(waited for _, waited in looks) <= in_all + 1e-6
    for file in wait.files:
        os.close(file)
