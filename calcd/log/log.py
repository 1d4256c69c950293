"""What calcd logs, and what happens while the log does not take it.

1.  The supervisor alone logs. journald finds out a sender's unit when it reads the message: that of a
    handler that has ended by then is lost (0.4 to 44 % were, systemd 252), and journalctl -u misses the line.
2.  Nothing here waits, or a journald that stands still would stop reloads, the watchdog and the count of
    connections. What is not taken waits in memory, and goes in its order when it is taken again.
3.  That memory has a limit. What comes beyond it is lost, counted, and the count is logged.
"""

import os
import select
import time
from collections import deque
from typing import Self

from calcd.log import messages, targets
from calcd.log.messages import Message
from calcd.log.targets import JournalSocket, StandardError, SyslogSocket, Target
from calcd.settings.values import LogLevel, LogTarget

# Messages that wait: about 6 MB.
_MAX_WAITING = 10_000
# Characters of a field: a datagram has to hold what a configuration with a mistake in every line is refused
# for, twice, and the kernel takes 208 KiB (net.core.wmem_default).
_LONGEST = 16_384
# Seconds that the last messages get when calcd ends.
_LAST_CALL = 1.0


def choose_target(target: LogTarget, foreground: bool) -> LogTarget:
    """What auto means here."""
    if target != LogTarget.AUTO:
        return target
    if is_service():
        return LogTarget.JOURNAL
    return LogTarget.STDERR if foreground else LogTarget.SYSLOG


def is_service() -> bool:
    """systemd.exec(5): standard error leads to the journal, and is this process's, not a terminal's."""
    device_and_inode = os.environ.get("JOURNAL_STREAM", "")
    try:
        stderr = os.fstat(2)
    except OSError:  # closed by the caller
        return False
    return device_and_inode == f"{stderr.st_dev}:{stderr.st_ino}"


def _open(target: LogTarget) -> Target:
    match target:
        case LogTarget.JOURNAL:
            return JournalSocket()
        case LogTarget.SYSLOG:
            return SyslogSocket()
        case _:
            return StandardError(with_priority=is_service())


class Log:
    """In a with statement: at its end, the log gets what it has not taken yet."""

    def __init__(self, target: LogTarget, level: LogLevel) -> None:
        """target is not auto. To be made while the caller's rights are there: targets.StandardError."""
        self._target = _open(target)
        self._least = targets.PRIORITIES[level]
        self._waiting: deque[bytes] = deque()
        self._lost = 0
        self.is_full = False  # the target takes nothing, and poll(2) of fileno() tells when it does again

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end = time.monotonic() + _LAST_CALL
        while self.is_full and (left := end - time.monotonic()) > 0:
            select.select([], [self], [], left)
            self.flush()
        self._target.close()

    def fileno(self) -> int:
        return self._target.fileno()

    @property
    def is_behind(self) -> bool:
        """Something waits for flush()."""
        return bool(self._waiting)

    def set_level(self, level: LogLevel) -> None:
        self._least = targets.PRIORITIES[level]

    def write(self, message: Message, **fields: object) -> None:
        """Logs the message; fields are what its text has in braces, and more for the journal."""
        if message.priority > self._least:
            return
        if len(self._waiting) >= _MAX_WAITING:
            self._lost += 1
            return
        values = {name: str(value)[:_LONGEST] for name, value in fields.items()}
        self._waiting.append(self._target.encode(message, message.text.format_map(values), values))
        self.flush()

    def flush(self) -> None:
        """Hands on as much as the target takes. What it refuses, to be tried again, is a full disk's, a
        reader's that has left, or a journald's that is not there."""
        self.is_full = False
        try:
            while self._waiting:
                line = self._waiting[0]
                taken = self._target.write(line)
                if taken < len(line):
                    self._waiting[0] = line[taken:]
                    continue
                self._waiting.popleft()
        except BlockingIOError:
            self.is_full = True
        except OSError:
            pass
        else:
            if self._lost:
                lost, self._lost = self._lost, 0
                self.write(messages.LOG_LOST, lost=lost)
