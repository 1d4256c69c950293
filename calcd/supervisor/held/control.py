"""The control socket, by which calcd --reload gets the result of a reload, and calcd --status the numbers.

kill -HUP gives no result: it returns before anything has happened. The socket is beside the pidfile, and only
its owner and root can connect to it. A request is a packet, and the answer is a packet: one byte, the exit
status for the command that asks, then a text: of the problem, or what was asked for.

A request to reload has the version of the calcd that asks, which is the installed one. A running calcd of
another version takes it for a request to upgrade.
"""

import contextlib
import socket
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import calcd
from calcd.supervisor.failure import ExitStatus, Failure, shortage
from calcd.supervisor.held import file_id, ownership
from calcd.supervisor.held.file_id import FileId
from calcd.supervisor.held.ownership import Identity
from calcd.supervisor.records import Fd

RELOAD, UPGRADE = b"reload", b"upgrade"
STATUS, STATUS_IN_JSON, METRICS = b"status", b"json", b"metrics"
_OWN_VERSION = calcd.__version__.encode()
# Bytes of a request: a word, and a version.
_REQUEST_SIZE = 256
# Bytes of an answer: more than the texts have (calcd.linux.shared_page), and less than a socket takes.
_ANSWER_SIZE = 65536


def path_beside(pidfile: Path) -> Path:
    return Path(f"{pidfile}.control")


def reload(pidfile: Path | None) -> None:
    """Asks the running calcd to reload, and waits for the result. Raises Failure."""
    try:
        try:
            ask(b"%b %b" % (RELOAD, _OWN_VERSION), pidfile)
        except NotAnswered:  # from before this version told its own
            ask(RELOAD, pidfile)
    except Refused as refused:
        raise Failure(
            refused.status, f"reload failed, the old settings stay in force: {refused}"
        ) from refused


def upgrade(pidfile: Path | None) -> None:
    """Asks the running calcd to upgrade in place, and waits for the result. Raises Failure."""
    try:
        ask(UPGRADE, pidfile)
    except Refused as refused:
        raise Failure(refused.status, f"upgrade failed: {refused}") from refused


class Refused(Failure):
    """The running calcd has answered that it cannot."""


class NotAnswered(Failure):
    """The running calcd has not answered."""


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
        raise NotAnswered(
            ExitStatus.TRY_AGAIN,
            f"calcd did not answer on {path}: either it has ended, and its log says why, or it was started "
            "before an upgrade and does not know the question: restart it",
        )
    status, text = ExitStatus(answer[0]), answer[1:].decode(errors="replace")
    if status != ExitStatus.OK:
        raise Refused(status, text)
    return text


class OpenControl(NamedTuple):
    """A control socket, as one supervisor hands it to the next."""

    path: Path
    socket: Fd
    file: FileId
    waiting: list[Fd]  # connections of those who wait for an answer


class Control:
    """The daemon's end of the control socket."""

    def __init__(self, given: OpenControl) -> None:
        self.path = given.path
        self.socket = socket.socket(fileno=given.socket)
        self._file = given.file
        # Who waits at a handover waits for the upgrade, which reloads as well.
        self._waiting = [(UPGRADE, socket.socket(fileno=fd)) for fd in given.waiting]

    def handed_over(self) -> OpenControl:
        return OpenControl(
            self.path,
            Fd(self.socket.fileno()),
            self._file,
            [Fd(connection.fileno()) for _, connection in self._waiting],
        )

    def fileno(self) -> int:
        return self.socket.fileno()

    def accept(self, texts: Mapping[bytes, Callable[[], bytes]]) -> bytes | None:
        """Takes a request. A request for one of the texts, which have at most 65,535 bytes, is answered.
        Returns RELOAD or UPGRADE if it is for that: it then waits for answer(). Raises OSError if the system
        lacks what accept(2) needs; the request waits."""
        try:
            connection, _ = self.socket.accept()
        except (BlockingIOError, ConnectionError):  # the peer has left already
            return None
        # Whoever asks has sent the request by now, or sends it at once. On a busy machine, "at once" was
        # more than a tenth of a second. Other peers must not delay the supervisor for long.
        connection.settimeout(1.0)
        with contextlib.suppress(OSError):
            request, _, version = connection.recv(_REQUEST_SIZE).partition(b" ")
            if request in (RELOAD, UPGRADE):
                request = RELOAD if request == RELOAD and version in (b"", _OWN_VERSION) else UPGRADE
                self._waiting.append((request, connection))
                return request
            if request in texts:
                connection.send(bytes([ExitStatus.OK]) + texts[request]())
        connection.close()
        return None

    def answer(self, failure: Failure | None, requests: Collection[bytes] = (RELOAD, UPGRADE)) -> None:
        """Answers all who wait for these. failure is None for success."""
        status = failure.status if failure else ExitStatus.OK
        problem = str(failure or "").encode(errors="backslashreplace")
        waiting, self._waiting = self._waiting, []
        for request, connection in waiting:
            if request not in requests:
                self._waiting.append((request, connection))
                continue
            with contextlib.suppress(OSError), connection:
                connection.send((bytes([status]) + problem)[:_ANSWER_SIZE])

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
        return file_id.is_at(self.path, self._file)


def listen(pidfile: Path, owner: Identity) -> Control:
    """Opens the socket beside the pidfile. The caller must hold the pidfile's lock, because a socket that is
    there is replaced. owner becomes the owner, so that it can connect.

    Raises Failure.
    """
    path = path_beside(pidfile)
    try:
        control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise _failure(path, error) from error
    try:
        path.unlink(missing_ok=True)
        control.bind(str(path))
        path.chmod(0o600)
        ownership.give(path, owner)
        file = file_id.of(path)
        control.listen()
    except OSError as error:
        control.close()
        raise _failure(path, error) from error
    return Control(OpenControl(path, Fd(control.detach()), file, []))


def _failure(path: Path, error: OSError) -> Failure:
    what = f"control socket {path}"
    return shortage(what, error) or Failure(
        ExitStatus.NO_PERMISSION if isinstance(error, PermissionError) else ExitStatus.CANNOT_CREATE,
        f"{what}: {error.strerror or error}: give another path with --pidfile",
    )
