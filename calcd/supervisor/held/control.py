"""The control socket, by which calcd --reload gets the result of a reload, and calcd --status the numbers.

kill -HUP gives no result: it returns before anything has happened. The socket is beside the pidfile, and only
its owner and root can connect to it. A request is a packet, and the answer is a packet: one byte, the exit
status for the command that asks, then a text: of the problem, or what was asked for.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from calcd.supervisor.failure import ExitStatus, Failure
from calcd.supervisor.held import ownership
from calcd.supervisor.held.ownership import Identity

RELOAD, STATUS, STATUS_IN_JSON, METRICS = _REQUESTS = (b"reload", b"status", b"json", b"metrics")
# Bytes of an answer: more than the texts have (calcd.linux.shared_page), and less than a socket takes.
_ANSWER_SIZE = 65536


def path_beside(pidfile: Path) -> Path:
    return Path(f"{pidfile}.control")


def reload(pidfile: Path | None) -> None:
    """Asks the running calcd to reload, and waits for the result. Raises Failure."""
    try:
        ask(RELOAD, pidfile)
    except Refused as refused:
        raise Failure(
            refused.status, f"reload failed, the old settings stay in force: {refused}"
        ) from refused


class Refused(Failure):
    """The running calcd has answered that it cannot."""


def ask(request: bytes, pidfile: Path | None) -> str:
    """Asks the running calcd, and returns its answer. Raises Failure."""
    if pidfile is None:
        raise Failure(
            ExitStatus.USAGE, "the running calcd is found by its pidfile: set PidFile= or --pidfile"
        )
    path = path_beside(pidfile)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        try:
            connection.connect(str(path))
            connection.send(request)
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
                f"{path}: {error.strerror}: only root and the user that calcd runs as can ask it",
            ) from error
        except OSError as error:
            raise Failure(
                ExitStatus.USAGE,
                f"{path}: {error.strerror or error}: name the running calcd's pidfile with --pidfile",
            ) from error
    if not answer:
        raise Failure(
            ExitStatus.TRY_AGAIN,
            f"calcd did not answer on {path}: either it has ended, and its log says why, or it was started "
            "before an upgrade and does not know the question: restart it",
        )
    status, text = ExitStatus(answer[0]), answer[1:].decode(errors="replace")
    if status != ExitStatus.OK:
        raise Refused(status, text)
    return text


class Control:
    """The daemon's end of the control socket."""

    def __init__(self, pidfile: Path, owner: Identity) -> None:
        """Listens. The caller must hold the pidfile's lock, because a socket that is there is replaced. owner
        becomes the owner, so that it can connect.

        Raises Failure.
        """
        self.path = path_beside(pidfile)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self._waiting: list[socket.socket] = []
        try:
            self.path.unlink(missing_ok=True)
            self.socket.bind(str(self.path))
            self.path.chmod(0o600)
            ownership.give(self.path, owner)
            self._file = self.path.lstat()
            self.socket.listen()
        except OSError as error:
            self.socket.close()
            raise Failure(
                ExitStatus.NO_PERMISSION if isinstance(error, PermissionError) else ExitStatus.CANNOT_CREATE,
                f"control socket {self.path}: {error.strerror or error}: give another path with --pidfile",
            ) from error

    def fileno(self) -> int:
        return self.socket.fileno()

    def accept(self, texts: Mapping[bytes, Callable[[], bytes]]) -> bool:
        """Takes a request. A request for one of the texts, which have at most 65,535 bytes, is answered.
        Returns True for a reload, which then waits for answer()."""
        try:
            connection, _ = self.socket.accept()
        except OSError:  # the peer has left already
            return False
        # Whoever asks has sent the request by now, or sends it at once. On a busy machine, "at once" was
        # more than a tenth of a second. Other peers must not delay the supervisor for long.
        connection.settimeout(1.0)
        with contextlib.suppress(OSError):
            request = connection.recv(max(map(len, _REQUESTS)))
            if request == RELOAD:
                self._waiting.append(connection)
                return True
            if request in texts:
                connection.send(bytes([ExitStatus.OK]) + texts[request]())
        connection.close()
        return False

    def answer(self, failure: Failure | None) -> None:
        """Answers all reloads that wait. failure is None for success."""
        status = failure.status if failure else ExitStatus.OK
        problem = str(failure or "").encode(errors="backslashreplace")
        for connection in self._waiting:
            with contextlib.suppress(OSError), connection:
                connection.send((bytes([status]) + problem)[:_ANSWER_SIZE])
        self._waiting.clear()

    def close(self) -> None:
        """Closes the socket and removes its file. A second call does nothing."""
        if self.socket.fileno() == -1:
            return
        self.answer(Failure(ExitStatus.TRY_AGAIN, "calcd stops"))
        self.socket.close()
        with contextlib.suppress(OSError):  # as for the pidfile
            if self.is_in_place():  # else the name is another calcd's
                self.path.unlink()

    def is_in_place(self) -> bool:
        """Returns False if the file has been removed, or another one has its name."""
        try:
            return os.path.samestat(self.path.lstat(), self._file)
        except (FileNotFoundError, NotADirectoryError):
            return False
