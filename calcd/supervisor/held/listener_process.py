"""A listener as the supervisor sees it: a child process, a socket pair to it, and its connections."""

import contextlib
import fcntl
import os
import signal
import socket
import sys
import termios
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from calcd.handler import report
from calcd.listener import packets
from calcd.settings import reading, writing
from calcd.settings.addresses import PROXIED
from calcd.settings.limits import Limits
from calcd.settings.table import Settings
from calcd.settings.values import LogConnections
from calcd.supervisor import events, programs
from calcd.supervisor.counts.connections import Connection
from calcd.supervisor.events import Event
from calcd.supervisor.held.sockets import Sockets
from calcd.supervisor.records import Fd

# Characters: room for the titles that the listener and its handlers write over their arguments.
_TITLE_ROOM = 256


class OpenListener(NamedTuple):
    """A listener, as one supervisor hands it to the next."""

    pid: int
    socket: Fd
    reports: Fd
    version: int  # of calcd.listener.packets
    settings: dict[str, list[str]]
    connections: list[Connection]
    unsent_counts: dict[str, int]
    unanswered: int = 0
    waiting: int = 0
    serving: int = 0
    awaiting_header: int = 0
    unsent_commands: list[bytes] = []  # noqa: RUF012 - nobody changes it


class ListenerProcess:
    """A listener. Its PID is the process group of its handlers, so one signal reaches them all."""

    def __init__(self, given: OpenListener) -> None:
        """Raises calcd.settings.reading.ConfigError if this calcd does not understand the settings."""
        self.pid = given.pid
        self.settings = reading.read_texts(given.settings)
        self.version = given.version  # of calcd.listener.packets, once it is ready
        self.connections = {connection.handler: connection for connection in given.connections}
        # For send_rest(): what tell() was given, and, by host, what count_of_others() was.
        self._unsent_commands = list(given.unsent_commands)
        self._unsent_counts = Counter(given.unsent_counts)
        self.unanswered = given.unanswered  # pings in a row
        # Handlers, at the last answer to a ping.
        self.waiting, self.serving = given.waiting, given.serving
        self.awaiting_header = given.awaiting_header
        self._socket = socket.socket(fileno=given.socket)
        self._socket.setblocking(False)
        self._reports: int = given.reports

    def handed_over(self) -> OpenListener:
        return OpenListener(
            self.pid,
            Fd(self._socket.fileno()),
            Fd(self._reports),
            self.version,
            writing.texts(self.settings),
            list(self.connections.values()),
            dict(self._unsent_counts),
            self.unanswered,
            self.waiting,
            self.serving,
            self.awaiting_header,
            list(self._unsent_commands),
        )

    def fileno(self) -> int:
        return self._socket.fileno()

    def reports_fileno(self) -> int:
        """Where the handlers of a listener that is dead report."""
        return self._reports

    def tell(self, *command: int) -> None:
        """Sends a command, given as its bytes. If the socket is full of counts, which some 280 packets are
        enough for, send_rest() does it later."""
        self._unsent_commands.append(bytes(command))
        self.send_rest()

    def count_of_others(self, host: str, difference: int) -> None:
        """Notes connections of a host that another listener has accepted or lost. The limits of each listener
        hold for the connections of all."""
        self._unsent_counts[host] += difference

    def send_rest(self) -> bool:
        """Sends the commands that it was to be told, and then what count_of_others() has noted. Returns False
        if the listener has not taken all of it."""
        try:
            while self._unsent_commands:
                self._socket.send(self._unsent_commands[0])
                del self._unsent_commands[0]
            while self._unsent_counts:
                host, difference = next(iter(self._unsent_counts.items()))
                if difference:
                    self._socket.send(packets.count(difference, host))
                del self._unsent_counts[host]
        except BlockingIOError:
            return False
        except ConnectionError:  # the listener has just died
            self._unsent_commands.clear()
            self._unsent_counts.clear()
        return True

    def events(self) -> Iterator[Event]:
        """Yields the events that the listener has sent since the last call. What it sends meanwhile waits for
        the next one: a listener that has much to tell would keep the supervisor from all else."""
        left = int.from_bytes(fcntl.ioctl(self._socket, termios.FIONREAD, bytes(4)), sys.byteorder)
        while left > 0:
            try:
                packet = self._socket.recv(packets.PACKET_SIZE)
            except BlockingIOError:
                return
            except ConnectionResetError:
                # The listener has ended with a command unread. The kernel reports this once, then the events.
                continue
            if not packet:
                return
            left -= len(packet)
            for event in packets.unpack(packet):
                if (decoded := events.decode(event)) is not None:
                    yield decoded

    def ping(self) -> None:
        """Asks for an answer, which comes behind all that tell() was given before."""
        self.unanswered += 1
        if bytes([packets.PING]) not in self._unsent_commands:
            self.tell(packets.PING)

    def kill(self) -> None:
        """Kills the listener. Its handlers serve on."""
        os.kill(self.pid, signal.SIGKILL)  # the PID is still its own: the supervisor has not reaped it

    def signal_group(self, number: signal.Signals) -> None:
        """Signals the listener and all its handlers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def is_group_empty(self) -> bool:
        """Returns whether the listener and all its handlers have ended and were reaped.

        The kernel gives no process a PID that is the number of a process group.
        """
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def reports(self) -> Iterator[Event]:
        """Yields the reports of the handlers that the listener had not read when it died."""
        for _, fields in report.read(self._reports, report.decode_any):
            if (event := events.decode_report(fields)) is not None:
                yield event

    def close(self) -> None:
        self._socket.close()
        os.close(self._reports)


def start(sockets: Sockets, settings: Settings, page: int) -> ListenerProcess:
    """Starts a listener that serves the sockets. It sends Ready once it serves. page is the file descriptor
    of calcd.linux.shared_page for it.

    Raises OSError if the system allows no further process.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reports, reports_for_handlers = report.open_pipe()
    listening = [each.socket.fileno() for each in sockets.for_clients]
    metrics = [each.socket.fileno() for each in sockets.for_metrics]
    words: dict[str, object] = {
        "supervisor": theirs.fileno(),
        "reading_end": reports,
        "writing_end": reports_for_handlers,
        "sockets": ",".join(map(str, listening)),
        "protocols": ",".join(
            "+".join((*["proxy"] * (each.prefix == PROXIED), *(each.protocols or settings.protocols)))
            for each in sockets.for_clients
        ),
        "proxies": ",".join(map(str, settings.proxy_sources)),
        "metrics": ",".join(map(str, metrics)),
        "page": page,
        "spare_handlers": settings.spare_handlers,
        "has_successor": int(sockets.are_passed),
        "drain_time": settings.drain_time,
        "sums_up": int(settings.log_connections != LogConnections.ALL),
        "version": packets.VERSION,
        "hears_of_calls": 1,  # Unconfined with one
        "hears_progress": 1,  # Progress, and Served by protocol
        "exempt": ",".join(map(str, settings.exempt_sources)),
        **{name: getattr(settings, name) for name in Limits.NAMES},
    }
    passed = [*listening, *metrics, page, theirs.fileno(), reports, reports_for_handlers]
    argument = " ".join(f"{name}={value}" for name, value in words.items()).ljust(_TITLE_ROOM)
    try:
        pid = programs.spawn(programs.lean("calcd.listener.main", argument), _environment(), passed)
    except OSError:
        ours.close()
        os.close(reports)
        raise
    finally:
        theirs.close()
        os.close(reports_for_handlers)
    texts = writing.texts(settings)
    return ListenerProcess(OpenListener(pid, Fd(ours.detach()), Fd(reports), 0, texts, [], {}))


def _environment() -> dict[str, str]:
    return {
        "PATH": os.defpath,
        # An interpreter that needs it to find its own libraries.
        **{name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
        # All symbols are resolved at the start, and not in each handler: a fork takes 10 % less.
        "LD_BIND_NOW": "1",
    }
