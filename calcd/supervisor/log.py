"""Where messages go: the journal, syslog, or standard error.

The supervisor alone logs. journald finds out a sender's unit when it reads the message: that of a
handler that has ended by then is lost (0.4 to 44 % were, systemd 252), and journalctl -u misses the line.
"""

import contextlib
import os
import syslog
from collections.abc import Callable

from systemd import journal

from calcd.config import LogLevel, LogTarget
from calcd.supervisor.messages import Message

SYSLOG_SOCKET = "/dev/log"  # syslog(3)
_PRIORITIES = {
    LogLevel.DEBUG: syslog.LOG_DEBUG,
    LogLevel.INFO: syslog.LOG_INFO,
    LogLevel.NOTICE: syslog.LOG_NOTICE,
    LogLevel.WARNING: syslog.LOG_WARNING,
    LogLevel.ERR: syslog.LOG_ERR,
}


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


class Log:
    def __init__(self, target: LogTarget, level: LogLevel) -> None:
        """target is not auto."""
        writers: dict[LogTarget, Callable[[Message, str, dict[str, object]], None]] = {
            LogTarget.JOURNAL: _to_journal,
            LogTarget.SYSLOG: _to_syslog,
            LogTarget.STDERR: _to_stderr_stream if is_service() else _to_stderr,
        }
        self._write = writers[target]
        self._least = _PRIORITIES[level]
        syslog.openlog("calcd", syslog.LOG_PID, syslog.LOG_DAEMON)

    def set_level(self, level: LogLevel) -> None:
        self._least = _PRIORITIES[level]

    def write(self, message: Message, **fields: object) -> None:
        """Logs the message; fields are what its text has in braces, and more for the journal."""
        if message.priority <= self._least:
            # A full disk, a reader that has left, a journald that is being restarted: calcd serves on.
            with contextlib.suppress(OSError):
                self._write(message, message.text.format_map(fields), fields)


def _to_journal(message: Message, text: str, fields: dict[str, object]) -> None:
    # sendv, not send: that looks at the stack for CODE_FILE= and the like, which nobody needs here.
    journal.sendv(
        f"MESSAGE={text}".encode(errors="backslashreplace"),
        f"MESSAGE_ID={message.id}",
        f"PRIORITY={message.priority}",
        "SYSLOG_IDENTIFIER=calcd",
        f"SYSLOG_FACILITY={syslog.LOG_DAEMON >> 3}",
        *(f"CALCD_{name.upper()}={value}" for name, value in fields.items()),
    )


def _to_syslog(message: Message, text: str, _fields: dict[str, object]) -> None:
    syslog.syslog(message.priority, text.encode(errors="backslashreplace").decode())


def _to_stderr(_message: Message, text: str, _fields: dict[str, object]) -> None:
    _write_line(f"calcd[{os.getpid()}]: {text}")


def _to_stderr_stream(message: Message, text: str, _fields: dict[str, object]) -> None:
    # sd-daemon(3): the journal takes the priority off again.
    _write_line(f"<{message.priority}>{text}")


def _write_line(line: str) -> None:
    # By one write(2), and past sys.stderr, which would keep what cannot be written and try it again.
    os.write(2, f"{line}\n".encode(errors="backslashreplace"))
