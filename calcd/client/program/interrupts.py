"""Ctrl-C in a batch: it ends the reading and the asking, and cuts no line of the output."""

import signal
from types import FrameType, TracebackType


class Interrupts:
    """Raises KeyboardInterrupt within a with statement that has it, or at the next one if Ctrl-C came before.

    So what was answered is written before the end. The second Ctrl-C does not wait for that: whoever reads
    the output may have stopped.
    """

    def __init__(self) -> None:
        self._is_held = True
        self._came = False
        # A shell without job control ignores it for what it starts in the background.
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._take)

    def __enter__(self) -> None:
        self._is_held = False
        if self._came:
            raise KeyboardInterrupt

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_held = True

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        is_first = not self._came
        self._came = True
        if is_first and self._is_held:
            return
        self._is_held = True
        raise KeyboardInterrupt
