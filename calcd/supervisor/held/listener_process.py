"""A listener as its supervisor sees it: a child process, a pair of sockets to it, its connections."""

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

# The folder that the package calcd was imported from: a listener that is started after an upgrade runs
# the new code. Not by PYTHONPATH, which would put the folder, all of dist-packages it may be, before the
# standard library's.
_FOLDER = str(Path(__file__).parents[3])
_PROGRAM = f"import sys; sys.path.append({_FOLDER!r}); from calcd.listener.main import main; sys.exit(main())"
# Room for the titles that the listener and its handlers write over their arguments.
_TITLE_ROOM = 256


class ListenerProcess:
    """Its handlers have its PID as their process group, so one signal reaches them all."""

    def __init__(self, sockets: Sockets, settings: Settings) -> None:
        """Starts a listener that serves the sockets. It says Ready when it does.

        Raises OSError when the system has no room for another process.
        """
        self.settings = settings
        self.connections: dict[int, Connection] = {}  # by the handler's PID
        self._uncounted: Counter[str] = Counter()  # what it is still to be told of: count_of_others()
        self.unanswered = 0  # pings in a row
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._reports, reports_for_handlers = report.open_pipe()
        listening = [each.socket.fileno() for each in sockets]
        words: dict[str, object] = {
            "supervisor": theirs.fileno(),
            "reading_end": self._reports,
            "writing_end": reports_for_handlers,
            "sockets": ",".join(map(str, listening)),
            "spare_handlers": settings.spare_handlers,
            "has_successor": int(sockets.are_passed),
            "drain_time": settings.drain_time,
            "sums_up": int(settings.log_connections != LogConnections.ALL),
            "hears_of_calls": 1,  # Unconfined with one
            "exempt": ",".join(map(str, settings.exempt_sources)),
            **{name: getattr(settings, name) for name in Limits.NAMES},
        }
        passed = [*listening, theirs.fileno(), self._reports, reports_for_handlers]
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

    def tell(self, *command: int) -> None:
        """A listener that has just died, or does not read, is found out about by other ways."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self._socket.send(bytes(command))

    def count_of_others(self, host: str, difference: int) -> None:
        """Another listener has got connections of a host, or has lost some: its limits hold for all."""
        self._uncounted[host] += difference

    def send_counts(self) -> bool:
        """Tells it what was counted; False when it has not taken all of that yet."""
        try:
            while self._uncounted:
                host, difference = next(iter(self._uncounted.items()))
                if difference:
                    self._socket.send(packets.count(difference, host))
                del self._uncounted[host]
        except BlockingIOError:
            return False
        except ConnectionError:  # it has just died
            self._uncounted.clear()
        return True

    def events(self) -> Iterator[Event]:
        """What it has told since the last call."""
        while True:
            try:
                packet = self._socket.recv(packets.PACKET_SIZE)
            except BlockingIOError:
                return
            except ConnectionResetError:
                # It has ended with a command unread: the kernel says so once, before what it had told.
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
        """Its handlers stay."""
        os.kill(self.pid, signal.SIGKILL)  # at worst a zombie: it is the caller's to wait for

    def signal_group(self, number: signal.Signals) -> None:
        """Signals the listener and all of its handlers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def is_group_empty(self) -> bool:
        """Listener and handlers have ended and have been waited for. A PID is not given to a new process
        while a group has its number."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def reports(self) -> Iterator[Event]:
        """What its handlers have told that it did not live to read."""
        for _, fields in report.read(self._reports):
            if (event := events.decode_report(fields)) is not None:
                yield event

    def close(self) -> None:
        self._socket.close()
        os.close(self._reports)


def _spawn(arguments: str, passed: Iterable[int]) -> int:
    flags = [f"-W{warning}" for warning in sys.warnoptions]
    command = [sys.executable, "-I", "-S", *flags, "-c", _PROGRAM, arguments.ljust(_TITLE_ROOM)]
    # python-daemon leaves those of them that lead to /dev/null marked close-on-exec, and the first pipe
    # that the listener opened would become its standard input.
    passed = [0, 1, 2, *passed]
    environment = {
        "PATH": os.defpath,
        # All symbols are looked up at the start: not again in each handler, which takes 10 % off a fork.
        "LD_BIND_NOW": "1",
    }
    return os.posix_spawn(
        sys.executable,
        command,
        environment,
        # Onto itself: what makes a file descriptor survive the exec in the child alone (glibc 2.29).
        file_actions=[(os.POSIX_SPAWN_DUP2, fd, fd) for fd in passed],
        # An interrupt at the terminal goes to the supervisor's group only.
        setpgroup=0,
        # Until it is prepared for them, the listener takes none: it unblocks them itself.
        setsigmask=signal.valid_signals(),
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )
