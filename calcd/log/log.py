"""Writes messages to the log, without waiting.

1.  Only the supervisor logs. journald looks up the sender's unit when it reads a message. If the sender was a
    handler that has ended by then, the unit is lost (for 0.4 to 44 % of the lines, systemd 252), and
    journalctl -u does not show the line.
2.  Nothing here waits. Otherwise a journald that stands still would stop reloads, the watchdog and the
    counting of connections. Messages that the log does not take wait in memory, in their order.
3.  That memory is limited. Messages beyond the limit are lost and counted, and the count is logged.
"""

import os
import select
import time
from collections import deque
from typing import NamedTuple, Self

from calcd.log import messages, targets
from calcd.log.messages import Message
from calcd.log.targets import JournalSocket, JsonLines, SyslogSocket, Target, TextLines
from calcd.settings.values import LogLevel, LogTarget

# The most messages that wait: about 6 MB.
_MAX_WAITING = 10_000
# The most characters of a field. The largest field lists the errors of a configuration, and a datagram has it
# twice. The kernel takes 208 KiB (net.core.wmem_default).
_MAX_FIELD_LENGTH = 16_384
# Seconds to write the messages that still wait when calcd ends.
_CLOSING_TIME = 1.0


def choose_target(target: LogTarget, foreground: bool) -> LogTarget:
    """Returns the target, or, for auto, the one that fits."""
    if target != LogTarget.AUTO:
        return target
    if is_service():
        return LogTarget.JOURNAL
    return LogTarget.STDERR if foreground or _is_directed() else LogTarget.SYSLOG


def _is_directed() -> bool:
    """Returns whether systemd runs calcd with standard error to where the administrator wants it, as with
    StandardError=append:FILE. SYSTEMD_EXEC_PID in systemd.exec(5) (systemd 248): it may be inherited."""
    if os.environ.get("SYSTEMD_EXEC_PID") != str(os.getpid()):
        return False
    try:
        return not os.path.samestat(os.fstat(2), os.stat(os.devnull))
    except OSError:  # closed
        return False


def is_service() -> bool:
    """Returns whether systemd runs calcd as a service, with standard error to the journal.

    JOURNAL_STREAM in systemd.exec(5). It may be inherited: it counts only if it names this process's stderr.
    """
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
        case LogTarget.JSON:
            return JsonLines()
        case _:
            return TextLines(with_priority=is_service())


class Kept(NamedTuple):
    """What waits for the log, as one supervisor hands it to the next."""

    target: str
    lines: list[bytes]  # as the target takes them; the first one may be the rest of a line
    lost: int  # since the last message that says so
    lost_in_all: int


class Log:
    """The log. It is a context manager: at the end, messages that still wait are written."""

    def __init__(self, target: LogTarget, level: LogLevel, kept: Kept | None = None) -> None:
        """target is not auto. Make the object while calcd still has the caller's rights, which
        a terminal needs."""
        kept = kept or Kept(target, [], 0, 0)
        self._name = target
        self._target = _open(target)
        self._least = targets.PRIORITIES[level]
        self._waiting = deque(kept.lines)
        self._lost = kept.lost  # since the last message that says so
        self.lost = kept.lost_in_all
        self.is_full = False  # the target takes nothing until poll(2) says that fileno() is writable

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end = time.monotonic() + _CLOSING_TIME
        while self.is_full and (left := end - time.monotonic()) > 0:
            select.select([], [self], [], left)
            self.flush()
        self._target.close()

    def kept(self) -> Kept:
        return Kept(self._name, list(self._waiting), self._lost, self.lost)

    def fileno(self) -> int:
        return self._target.fileno()

    @property
    def is_behind(self) -> bool:
        """Whether messages wait for flush()."""
        return bool(self._waiting)

    def set_level(self, level: LogLevel) -> None:
        self._least = targets.PRIORITIES[level]

    def write(self, message: Message, **fields: object) -> None:
        """Logs a message. fields has a value for each name in braces in its text, and may have more for the
        journal."""
        if message.priority > self._least:
            return
        if len(self._waiting) >= _MAX_WAITING:
            self._lost += 1
            self.lost += 1
            return
        values = {name: str(value)[:_MAX_FIELD_LENGTH] for name, value in fields.items()}
        self._waiting.append(self._target.encode(message, message.text.format_map(values), values))
        self.flush()

    def flush(self) -> None:
        """Writes the messages that wait, as far as the target takes them.

        An error means that the disk is full, the reader has left, or journald is not there. The messages then
        wait for the next call.
        """
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
