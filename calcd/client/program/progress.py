"""How far a batch is, on the last line of a terminal."""

import os
import time

from calcd.client.program.streams import say

_DELAY = 1.0  # seconds: what takes less needs no bar
_PAUSE = 0.1  # seconds between two drawings
_BAR = 20  # columns


class Progress:
    """A line on standard error, which is drawn anew and leaves no trace.

    There is none if standard error is no terminal; nor if the answers are shown on one, or lines are typed.
    """

    def __init__(self, size: int | None, *, is_wanted: bool) -> None:
        """size is that of all input, in bytes, if it is known."""
        self._size = size
        self._is_shown = is_wanted and os.isatty(2) and not os.isatty(1) and not os.isatty(0)
        self._began = time.monotonic()
        self._next = self._began + _DELAY
        self._width = 0  # columns that are drawn on

    def show(self, lines: int, taken: int) -> None:
        """lines were answered, and so many bytes were taken of the input."""
        now = time.monotonic()
        if not self._is_shown or now < self._next:
            return
        self._next = now + _PAUSE
        try:
            columns = os.get_terminal_size(2).columns or 80
        except OSError:  # the terminal has been closed, and the program goes on
            self._is_shown = False
            return
        text = describe(lines, taken, self._size, now - self._began)[: columns - 1]
        say(f"\r{text:{self._width}}")
        self._width = len(text)

    def hide(self) -> None:
        """Clears the line, for another one to be written there."""
        if self._width:
            say(f"\r{' ' * self._width}\r")
            self._width = 0


def describe(lines: int, taken: int, size: int | None, seconds: float) -> str:
    """Lines and rate; where the size is known, how much of it was taken, and the time left."""
    text = f"{lines:,} lines  {lines / seconds:,.0f}/s"
    if not size:
        return text
    share = min(taken / size, 1)
    bar = ("=" * int(share * _BAR)).ljust(_BAR)
    left = round(seconds * (1 - share) / share) if share else 0
    return f"{text}  [{bar}] {share:4.0%}  {clock(left)} left"


def clock(seconds: int) -> str:
    """1:02:03, or 2:03."""
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
