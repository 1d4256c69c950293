"""The targets of messages: the journal, syslog, and standard error. Writing to them never waits.

sd_journal_sendv(3) and syslog(3) wait if the socket is full, until somebody reads it. So calcd has its own
sockets, and writes only small messages to them.
"""

import contextlib
import datetime
import json
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
        """Returns the message as write() takes it."""

    def write(self, line: bytes) -> int:
        """Writes a line. Returns how many bytes were taken.

        Raises BlockingIOError if it is full: fileno() becomes writable once there is room. Raises another
        OSError if nothing tells when it works again.
        """

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class _Datagrams:
    """A Unix datagram socket to a receiver that may not be running, or not at the moment."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._is_connected = False

    def write(self, line: bytes) -> int:
        # The socket is connected, so that poll(2) tells when the receiver's queue has room.
        if not self._is_connected:
            self._socket.connect(self._path)
            self._is_connected = True
        try:
            return self._socket.send(line)
        except BlockingIOError:
            raise
        except OSError:  # the receiver has closed its socket: the next call connects again
            self._is_connected = False
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


class JournalSocket(_Datagrams):
    """The journal: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/, in the form for values with any bytes."""

    def __init__(self) -> None:
        super().__init__(_JOURNAL_SOCKET)

    def encode(self, message: Message, text: str, fields: dict[str, str]) -> bytes:
        entry = _entry(message, text, fields)
        return b"".join(map(_journal_field, entry, entry.values()))


def _entry(message: Message, text: str, fields: dict[str, str]) -> dict[str, str]:
    """Returns the fields of the journal, systemd.journal-fields(7)."""
    return {
        "MESSAGE": text,
        "MESSAGE_ID": message.id,
        "PRIORITY": str(message.priority),
        "SYSLOG_IDENTIFIER": "calcd",
        "SYSLOG_FACILITY": str(syslog.LOG_DAEMON >> 3),
        **{f"CALCD_{name.upper()}": value for name, value in fields.items()},
    }


def _journal_field(name: str, value: str) -> bytes:
    data = value.encode(errors="backslashreplace")
    return b"%b\n%b%b\n" % (name.encode(), len(data).to_bytes(8, "little"), data)


class SyslogSocket(_Datagrams):
    """The local syslog daemon: RFC 3164, in the form of syslog(3)."""

    def __init__(self) -> None:
        super().__init__(SYSLOG_SOCKET)

    def encode(self, message: Message, text: str, _fields: dict[str, str]) -> bytes:
        head = f"<{syslog.LOG_DAEMON | message.priority}>{time.strftime('%b %e %H:%M:%S')}"
        return f"{head} calcd[{os.getpid()}]: {text}".encode(errors="backslashreplace")


class _Stderr:
    """Standard error: a file, a pipe, a terminal, or the journal's stream. Other processes write to it as
    well, such as listeners.

    1.  O_NONBLOCK would be set for all of them. So poll(2) tells before each write(2) if there is room. For a
        pipe, this means room for PIPE_BUF bytes (pipe(7)), for a socket more.
    2.  For a terminal, it may mean room for one byte. So a terminal is opened again, for calcd alone.
    """

    def __init__(self) -> None:
        self._fd = 2
        if os.isatty(2):
            with contextlib.suppress(OSError):  # another user's terminal
                self._fd = os.open("/proc/self/fd/2", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLOUT)

    def write(self, line: bytes) -> int:
        if not self._poll.poll(0):
            raise BlockingIOError
        # Not by sys.stderr, which would keep what cannot be written, and try it again.
        return os.write(self._fd, line[: select.PIPE_BUF])

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        if self._fd != 2:
            os.close(self._fd)


class TextLines(_Stderr):
    """Standard error, for people."""

    def __init__(self, *, with_priority: bool) -> None:
        """with_priority puts the priority in front of each line. The journal removes it: sd-daemon(3)."""
        super().__init__()
        self._with_priority = with_priority

    def encode(self, message: Message, text: str, _fields: dict[str, str]) -> bytes:
        head = f"<{message.priority}>" if self._with_priority else f"calcd[{os.getpid()}]: "
        return f"{head}{text}\n".encode(errors="backslashreplace")


class JsonLines(_Stderr):
    """Standard error, for programs: each line is an object with the fields of the journal and a time.

    A pipe takes a line of at most PIPE_BUF bytes as a whole, so that neither what other processes write nor
    the end of calcd can cut it in two. A longer one could lose all of its fields by that, so the values that
    make it longer are shortened. Such are the mistakes of a configuration, which calcd --check tells in full.
    """

    def encode(self, message: Message, text: str, fields: dict[str, str]) -> bytes:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")  # RFC 3339
        entry = {"TIME": now, **_entry(message, text, fields)}
        longest = select.PIPE_BUF
        while len(line := _json_line(entry, longest)) > select.PIPE_BUF:
            longest //= 2
        return line


def _json_line(entry: dict[str, str], longest: int) -> bytes:
    """Returns the entry as one line, without what its values have beyond this many characters."""
    values = {
        name: value if len(value) <= longest else f"{value[:longest]}..." for name, value in entry.items()
    }
    # What is no text is written out before: half of a surrogate pair in JSON is an error for many parsers.
    text = json.dumps({name: _as_text(value) for name, value in values.items()}, ensure_ascii=False)
    return f"{text}\n".encode()


def _as_text(value: str) -> str:
    return value.encode(errors="backslashreplace").decode()
