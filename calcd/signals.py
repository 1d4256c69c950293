"""Signals as bytes in a pipe, for a loop that sleeps in select.

The handlers do nothing: signal(7) restricts what one may do, and Python runs one between any two
bytecodes. The wakeup file descriptor (signal.set_wakeup_fd) gets the signal's number, the loop acts.
"""

import os
import signal
from collections.abc import Iterable


class SignalPipe:
    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self.ends = self.reading_end, writing_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # Full after 65,536 signals that nobody has read: the loop will look at everything anyhow.
        signal.set_wakeup_fd(writing_end, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda _signal, _frame: None)

    def read(self) -> list[int]:
        """The signals that arrived since the last call, in order, repetitions included."""
        try:
            return list(os.read(self.reading_end, 65536))
        except BlockingIOError:
            return []
