"""Measures how long this process waits for a CPU.

It reads the second number of /proc/pid/schedstat, described in the kernel's
Documentation/scheduler/sched-stats.rst.
"""

import os
import time


class CpuWait:
    """Keeps the file open, because the listener may not open files once it serves."""

    def __init__(self) -> None:
        try:
            self.files = [os.open("/proc/self/schedstat", os.O_RDONLY | os.O_CLOEXEC)]
        except OSError:  # the kernel does not have it
            self.files = []
        self._before = self._now()

    def since_last_call(self) -> tuple[float, float]:
        """Returns the seconds that have passed, and those that this process has waited for a CPU.

        The latter are 0 if the kernel does not tell.
        """
        before, self._before = self._before, self._now()
        passed, waited = (now - then for now, then in zip(self._before, before, strict=True))
        return passed / 1e9, waited / 1e9

    def _now(self) -> tuple[int, int]:
        """In ns."""
        return time.monotonic_ns(), sum(int(os.pread(file, 100, 0).split()[1]) for file in self.files)
