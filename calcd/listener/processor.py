"""How long this process has waited for a processor: the second number of /proc/pid/schedstat.

It is described in the kernel's Documentation/scheduler/sched-stats.rst.
"""

import os


class ProcessorWait:
    def __init__(self) -> None:
        """Opens the file, which stays open: a listener that serves may open none."""
        try:
            self.files = [os.open("/proc/self/schedstat", os.O_RDONLY | os.O_CLOEXEC)]
        except OSError:  # a kernel without
            self.files = []
        self._before = 0

    def since_last_call(self) -> float:
        """Seconds; 0 where the kernel does not tell."""
        total = sum(int(os.pread(file, 100, 0).split()[1]) for file in self.files)
        before, self._before = self._before, total
        return (total - before) / 1e9
