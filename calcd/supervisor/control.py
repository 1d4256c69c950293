"""The control socket: calcd --reload asks for a reload and learns how it went.

kill -HUP cannot say that: it returns before anything has happened. The socket stands beside the
pidfile, and only its owner and root can connect to it. A request is a packet, and so is its answer:
empty when the reload is in force, else what is wrong.
"""

import contextlib
import socket
from pathlib import Path

from calcd.supervisor.failure import ExitStatus, Failure

_RELOAD = b"reload"
_ANSWER_SIZE = 65536


def path_beside(pidfile: Path) -> Path:
    return Path(f"{pidfile}.control")


def request_reload(pidfile: Path | None) -> None:
    """Has the running calcd reload, and waits for the result. Raises Failure."""
    if pidfile is None:
        raise Failure(
            ExitStatus.USAGE, "--reload finds the running calcd by its pidfile: set PidFile= or --pidfile"
        )
    path = path_beside(pidfile)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        try:
            connection.connect(str(path))
            connection.send(_RELOAD)
            answer = connection.recv(_ANSWER_SIZE)
        except (FileNotFoundError, ConnectionError) as error:
            raise Failure(
                ExitStatus.TRY_AGAIN,
                f"no calcd answers on {path} ({error.strerror}): start it, or name the running one's pidfile "
                "with --pidfile",
            ) from error
        except PermissionError as error:
            raise Failure(
                ExitStatus.NO_PERMISSION,
                f"{path}: {error.strerror}: only root and the user that calcd runs as can reload it",
            ) from error
    if answer:
        raise Failure(ExitStatus.CONFIG, f"reload failed, the old settings stay in force: {answer.decode()}")


class Control:
    """The daemon's end."""

    def __init__(self, pidfile: Path) -> None:
        """Listens. Whoever holds the pidfile's lock may replace a socket that was left behind.

        Raises Failure.
        """
        self._path = path_beside(pidfile)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self._waiting: list[socket.socket] = []
        try:
            self._path.unlink(missing_ok=True)
            self._socket.bind(str(self._path))
            self._path.chmod(0o600)
        except OSError as error:
            raise Failure(
                ExitStatus.CANNOT_CREATE,
                f"control socket {self._path}: {error.strerror or error}: give another path with --pidfile",
            ) from error
        self._socket.listen()

    def fileno(self) -> int:
        return self._socket.fileno()

    def accept(self) -> bool:
        """Takes a request; True when it is one. Its answer is owed until answer()."""
        try:
            connection, _ = self._socket.accept()
        except OSError:  # gone already
            return False
        # A client of ours has sent before it is accepted, or does at once; no other is waited for long.
        connection.settimeout(0.1)
        with contextlib.suppress(OSError):
            if connection.recv(len(_RELOAD)) == _RELOAD:
                self._waiting.append(connection)
                return True
        connection.close()
        return False

    def answer(self, problem: str) -> None:
        """Tells all who wait; an empty problem is success."""
        for connection in self._waiting:
            with contextlib.suppress(OSError), connection:
                connection.send(problem.encode()[:_ANSWER_SIZE])
        self._waiting.clear()

    def close(self) -> None:
        self.answer("calcd stops")
        self._socket.close()
        self._path.unlink(missing_ok=True)
