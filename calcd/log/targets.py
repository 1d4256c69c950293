"""Where messages go: the journal, syslog, or standard error; each in a way that never waits.

Neither sd_journal_sendv(3) nor syslog(3) has such a way: with the socket full they wait until somebody
reads it. So calcd has sockets of its own, and what is written to them is small.
"""

import contextlib
import os
import select
import socket
import syslog
import time
from typing import Protocol

from calcd.log.messages import Message
from calcd.settings.values import LogLevel

SYSLOG_SOCKET = "/dev/log"  # syslog(3)
_JOURNAL_SOCKET = "/run/systemd/journal/socket"  # systemd-journald.service(8)

PRIORITIES = {
    LogLevel.DEBUG: syslog.LOG_DEBUG,
    LogLevel.INFO: syslog.LOG_INFO,
    LogLevel.NOTICE: syslog.LOG_NOTICE,
    LogLevel.WARNING: syslog.LOG_WARNING,
    LogLevel.ERR: syslog.LOG_ERR,
}


class Target(Protocol):
    def encode(self, message: Message, text: str, fields: dict[str, str]) -> bytes:
        """What write() takes for the message."""

    def write(self, line: bytes) -> int:
        """Returns how many bytes were taken. Raises BlockingIOError when fileno() will be writable once it
        takes more, and another OSError when only time can tell."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class _Datagrams:
    """A Unix socket to somebody who may not be there, or not for the moment."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._is_connected = False

    def write(self, line: bytes) -> int:
        # Connected, so that poll(2) tells when the receiver's queue has room.
        if not self._is_connected:
            self._socket.connect(self._path)
            self._is_connected = True
        try:
            return self._socket.send(line)
        except BlockingIOError:
            raise
        except OSError:  # whoever it was has closed the socket: the next time is another's
            self._is_connected = False
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


class JournalSocket(_Datagrams):
    """https://systemd.io/JOURNAL_NATIVE_PROTOCOL/, in the form for values that may hold anything."""

    def __init__(self) -> None:
        super().__init__(_JOURNAL_SOCKET)

    def encode(self, message: Message, text: str, fields: dict[str, str]) -> bytes:
        entry = {
            "MESSAGE": text,
            "MESSAGE_ID": message.id,
            "PRIORITY": str(message.priority),
            "SYSLOG_IDENTIFIER": "calcd",
            "SYSLOG_FACILITY": str(syslog.LOG_DAEMON >> 3),
            **{f"CALCD_{name.upper()}": value for name, value in fields.items()},
        }
        return b"".join(map(_journal_field, entry, entry.values()))


def _journal_field(name: str, value: str) -> bytes:
    data = value.encode(errors="backslashreplace")
    return b"%b\n%b%b\n" % (name.encode(), len(data).to_bytes(8, "little"), data)


class SyslogSocket(_Datagrams):
    """RFC 3164, as syslog(3) writes it to a local syslog daemon."""

    def __init__(self) -> None:
        super().__init__(SYSLOG_SOCKET)

    def encode(self, message: Message, text: str, _fields: dict[str, str]) -> bytes:
        head = f"<{syslog.LOG_DAEMON | message.priority}>{time.strftime('%b %e %H:%M:%S')}"
        return f"{head} calcd[{os.getpid()}]: {text}".encode(errors="backslashreplace")


class StandardError:
    """A file, a pipe, a terminal, or the journal's stream; others write to it as well, listeners among them.

    1.  Its O_NONBLOCK would be theirs, too. So poll(2) says before each write(2) whether there is room; for
        a pipe that is PIPE_BUF bytes (pipe(7)), for a socket more.
    2.  For a terminal it may be a single byte: that is opened again, for calcd alone.
    """

    def __init__(self, *, with_priority: bool) -> None:
        """with_priority puts it in front of each line: sd-daemon(3), the journal takes it off again."""
        self._with_priority = with_priority
        self._fd = 2
        if os.isatty(2):
            with contextlib.suppress(OSError):  # somebody else's
                self._fd = os.open("/proc/self/fd/2", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLOUT)

    def encode(self, message: Message, text: str, _fields: dict[str, str]) -> bytes:
        head = f"<{message.priority}>" if self._with_priority else f"calcd[{os.getpid()}]: "
        return f"{head}{text}\n".encode(errors="backslashreplace")

    def write(self, line: bytes) -> int:
        if not self._poll.poll(0):
            raise BlockingIOError
        # Past sys.stderr, which would keep what cannot be written and try it again.
        return os.write(self._fd, line[: select.PIPE_BUF])

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        if self._fd != 2:
            os.close(self._fd)
