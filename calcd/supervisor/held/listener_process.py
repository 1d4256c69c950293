"""A listener as the supervisor sees it: a child process, a socket pair to it, and its connections."""

import contextlib
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from calcd.handler import report
from calcd.listener import packets
from calcd.settings.limits import Limits
from calcd.settings.table import Settings
from calcd.settings.values import LogConnections
from calcd.supervisor import events
from calcd.supervisor.counts.connections import Connection
from calcd.supervisor.events import Event
from calcd.supervisor.held.sockets import Sockets

# The folder from which the package calcd was imported. A listener that starts after an upgrade runs the new
# code. PYTHONPATH is not used: it would put the folder, perhaps all of dist-packages, before the standard
# library.
_FOLDER = str(Path(__file__).parents[3])
_PROGRAM = f"import sys; sys.path.append({_FOLDER!r}); from calcd.listener.main import main; sys.exit(main())"
# Characters: room for the titles that the listener and its handlers write over their arguments.
_TITLE_ROOM = 256


class ListenerProcess:
    """A listener. Its PID is the process group of its handlers, so one signal reaches them all."""

    def __init__(self, sockets: Sockets, settings: Settings, page: int) -> None:
        """Starts a listener that serves the sockets. It sends Ready once it serves. page is the file
        descriptor of calcd.linux.shared_page for it.

        Raises OSError if the system allows no further process.
        """
        self.settings = settings
        self.connections: dict[int, Connection] = {}  # by the handler's PID
        self._unsent_counts: Counter[str] = Counter()  # by host, of count_of_others(), for send_counts()
        self.unanswered = 0  # pings in a row without an answer
        self.waiting = self.serving = 0  # handlers, at the last answer
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._reports, reports_for_handlers = report.open_pipe()
        listening = [each.socket.fileno() for each in sockets]
        metrics = [each.socket.fileno() for each in sockets.metrics]
        words: dict[str, object] = {
            "supervisor": theirs.fileno(),
            "reading_end": self._reports,
            "writing_end": reports_for_handlers,
            "sockets": ",".join(map(str, listening)),
            "protocols": ",".join(
                "+".join((*["proxy"] * each.is_proxied, *(each.protocols or settings.protocols)))
                for each in sockets
            ),
            "proxies": ",".join(map(str, settings.proxy_sources)),
            "metrics": ",".join(map(str, metrics)),
            "page": page,
            "spare_handlers": settings.spare_handlers,
            "has_successor": int(sockets.are_passed),
            "drain_time": settings.drain_time,
            "sums_up": int(settings.log_connections != LogConnections.ALL),
            "hears_of_calls": 1,  # Unconfined with one
            "hears_progress": 1,  # Progress, and Served by protocol
            "exempt": ",".join(map(str, settings.exempt_sources)),
            **{name: getattr(settings, name) for name in Limits.NAMES},
        }
        passed = [*listening, *metrics, page, theirs.fileno(), self._reports, reports_for_handlers]
        try:
            self.pid = _spawn(" ".join(f"{name}={value}" for name, value in words.items()), passed)
        except OSError:
            self.close()
            raise
        finally:
            theirs.close()
            os.close(reports_for_handlers)

    def fileno(self) -> int:
        return self._socket.fileno()

    def reports_fileno(self) -> int:
        """Where the handlers of a listener that is dead report."""
        return self._reports

    def tell(self, *command: int) -> None:
        """Sends a command, given as its bytes. Errors are ignored: other checks find a listener that has died
        or does not read."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self._socket.send(bytes(command))

    def count_of_others(self, host: str, difference: int) -> None:
        """Notes connections of a host that another listener has accepted or lost. The limits of each listener
        hold for the connections of all."""
        self._unsent_counts[host] += difference

    def send_counts(self) -> bool:
        """Sends what count_of_others() has noted. Returns False if the listener has not taken all of it."""
        try:
            while self._unsent_counts:
                host, difference = next(iter(self._unsent_counts.items()))
                if difference:
                    self._socket.send(packets.count(difference, host))
                del self._unsent_counts[host]
        except BlockingIOError:
            return False
        except ConnectionError:  # the listener has just died
            self._unsent_counts.clear()
        return True

    def events(self) -> Iterator[Event]:
        """Yields the events that the listener has sent since the last call."""
        while True:
            try:
                packet = self._socket.recv(packets.PACKET_SIZE)
            except BlockingIOError:
                return
            except ConnectionResetError:
                # The listener has ended with a command unread. The kernel reports this once, then the events.
                continue
            if not packet:
                return
            for event in packets.unpack(packet):
                if (decoded := events.decode(event)) is not None:
                    yield decoded

    def ping(self) -> None:
        self.unanswered += 1
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
        for _, fields in report.read(self._reports):
            if (event := events.decode_report(fields)) is not None:
                yield event

    def close(self) -> None:
        self._socket.close()
        os.close(self._reports)


def _spawn(arguments: str, passed: Iterable[int]) -> int:
    flags = [f"-W{warning}" for warning in sys.warnoptions]
    command = [sys.executable, "-I", "-S", *flags, "-c", _PROGRAM, arguments.ljust(_TITLE_ROOM)]
    # python-daemon leaves standard streams that lead to /dev/null marked close-on-exec. Then the first pipe
    # that the listener opens would become its standard input.
    passed = [0, 1, 2, *passed]
    environment = {
        "PATH": os.defpath,
        # An interpreter that needs it to find its own libraries.
        **{name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
        # All symbols are resolved at the start, and not in each handler: a fork takes 10 % less.
        "LD_BIND_NOW": "1",
    }
    return os.posix_spawn(
        sys.executable,
        command,
        environment,
        # A dup2(2) of a file descriptor onto itself keeps it open over the exec, in the child only (glibc
        # 2.29).
        file_actions=[(os.POSIX_SPAWN_DUP2, fd, fd) for fd in passed],
        # A group of its own: an interrupt at the terminal goes only to the supervisor's group.
        setpgroup=0,
        # All signals are blocked until the listener is ready for them and unblocks them.
        setsigmask=signal.valid_signals(),
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )
