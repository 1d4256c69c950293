"""How long a process has waited for a processor."""

import os
import subprocess
import sys

from calcd.listener.processor import ProcessorWait

# Waits for a processor, and says so, beside another process that does nothing but compute.
PROGRAM = """
import os
from calcd.listener.processor import ProcessorWait
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
wait = ProcessorWait()
wait.since_last_call()
busy = os.fork()
while not busy:
    pass
waited = 0.0
while waited < 0.05:
    waited += wait.since_last_call()
os.kill(busy, 9)
os.wait()
"""


def test_it_grows_when_another_process_has_the_processor() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], check=True, timeout=60)


def test_it_is_of_the_time_since_the_last_call() -> None:
    wait = ProcessorWait()
    in_all = sum(wait.since_last_call() for _ in range(1000))
    with open("/proc/self/schedstat") as schedstat:
        assert 0 <= in_all <= int(schedstat.read().split()[1]) / 1e9
    for file in wait.files:
        os.close(file)
