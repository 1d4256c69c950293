"""How long this process has waited for a CPU: the second number of /proc/pid/schedstat.

It is described in the kernel's Documentation/scheduler/sched-stats.rst.
"""

import os
import time


class CpuWait:
    """Opens the file, which stays open: a listener that serves may open none."""

    def __init__(self) -> None:
        try:
            self.files = [os.open("/proc/self/schedstat", os.O_RDONLY | os.O_CLOEXEC)]
        except OSError:  # a kernel that does not have it
            self.files = []
        self._before = self._now()

    def since_last_call(self) -> tuple[float, float]:
        """Seconds that have passed, and those of them that this process has waited: 0 where the kernel does
        not tell."""
        before, self._before = self._before, self._now()
        passed, waited = (now - then for now, then in zip(self._before, before, strict=True))
        return passed / 1e9, waited / 1e9

    def _now(self) -> tuple[int, int]:
        """In ns."""
        return time.monotonic_ns(), sum(int(os.pread(file, 100, 0).split()[1]) for file in self.files)
