"""calcd as a process, on a port of the kernel's choice; its log is read at the end."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from support.processes import DEADLINE, Process, of_session, wait_for

from calcd.protocol import classic
from calcd.protocol.classic import Operation

COMMAND = (sys.executable, "-W", "error", "-m", "calcd")
TREE = Path(__file__).parents[2]
# Options: as whoever runs the tests, and if that is root, without a warning.
AS_CALLER = () if os.geteuid() else ("--user", "root")
# A prefix for Calcd: whoever runs the tests, without root's rights if that is root.
WITHOUT_RIGHTS = () if os.geteuid() else ("setpriv", "--bounding-set=-all", "--inh-caps=-all")

# How handlers are run: the tests of what must hold in every mode are run in each (fixture every_mode).
MODES = {
    "as shipped": "",
    # The other way of each kind, and so that handlers are used again, and replaced.
    "on demand and reused": "SpareHandlers=0\nConnectionsPerHandler=3",
}
ON_DEMAND = "SpareHandlers=0"
REUSED = "SpareHandlers=2\nConnectionsPerHandler=3"

# What calcd logs when all is well; a test that provokes more says so in Calcd.expected.
_ORDINARY = (
    r"calcd \S+ serves on \S+.*",
    r"connection \d+ from \S+ opened, handler \d+",
    r"connection \d+ from \S+ ended after [\d.]+ s: (quit|closed by client|closed by calcd, which stops); .*",
    r"stopping: connections open: \d+, time for them to end: \S.*",
    r"stopped: connections served: \d+, requests answered: \d+",
    r"reloaded: serves on \S+.*",
    r"upgraded from calcd \S+ to \S+: serves on \S+.*",
)
# What it may log besides when a listener is killed that has work to do.
REPORT_LOST = r"connection \d+ from \S+ ended after [\d.]+ s; .* the listener died with the handler's report"


class Calcd:
    """A daemon in a folder of its own, in a with statement: started by the double-forking path, or in the
    foreground, and stopped at the end, when nothing may be left of it.

    prefix is a command that runs another in its own place, such as env or nohup; pass_fds are the file
    descriptors to leave to calcd; tree is the folder that calcd is imported from; handlers are the settings
    of how handlers are run.
    """

    mode = ""  # one of MODES, for who does not say otherwise

    def __init__(
        self,
        folder: Path,
        *options: str,
        listen: Sequence[str] = ("127.0.0.1:0",),
        pidfile: Path | None = None,  # in the folder
        prefix: Sequence[str] = (),
        stdin: int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
        foreground: bool = False,
        tree: Path = TREE,
        handlers: str | None = None,
    ) -> None:
        self.folder = folder
        self.pidfile = pidfile or folder / "calcd.pid"
        self.config = folder / "calcd.conf"
        self.config.touch()
        self.handlers_are = self.mode if handlers is None else handlers
        config = self._with_drop_in(self.handlers_are) if self.handlers_are else self.config
        self.expected: list[str] = []  # regular expressions for log lines beyond the ordinary
        self.log_file = folder / "log"
        self.log_file.touch()
        self._tree = tree
        self._prefix = prefix
        self._stdin = stdin
        self._pass_fds = pass_fds
        self._foreground = foreground
        self._options = [
            *("--config", str(config), "--pidfile", str(self.pidfile), "--log-target", "stderr"),
            *AS_CALLER,
            *(word for address in listen for word in ("--listen", address)),
            *options,
        ]

    @property
    def spare(self) -> int:
        """SpareHandlers="""
        return int(dict(re.findall(r"(\w+)=(\d+)", self.handlers_are)).get("SpareHandlers", 8))

    def _with_drop_in(self, settings: str) -> Path:
        """Another name for the configuration file, with a drop-in beside it: the folder stays as it is."""
        names = Path(f"{self.folder}.settings")
        drop_ins = names / "calcd.conf.d"
        drop_ins.mkdir(parents=True, exist_ok=True)
        (drop_ins / "handlers.conf").write_text(f"[calcd]\n{settings}\n")
        name = names / "calcd.conf"
        name.unlink(missing_ok=True)
        name.symlink_to(self.config)
        return name

    def command(self, *options: str) -> list[str]:
        """What starts calcd, in the folder that it is imported from."""
        foreground = ["--foreground"] if self._foreground else []
        return [*self._prefix, *COMMAND, *self._options, *foreground, *options]

    def launch(self, *options: str) -> None:
        """Runs the command calcd, and does not wait for it. Where it fails, its message is in the log as
        well as on standard error, because a log to standard error is what the daemon keeps of it."""
        with self.log_file.open("a") as log:
            self.launcher = subprocess.Popen(
                self.command(*options),
                cwd=self._tree,
                stdin=self._stdin,
                stdout=log,
                stderr=log,
                pass_fds=self._pass_fds,
                start_new_session=self._foreground,
            )

    def start(self, *options: str) -> subprocess.CompletedProcess[bytes]:
        """Runs the command calcd until it serves or fails."""
        self.launch(*options)
        return self.outcome()

    def outcome(self) -> subprocess.CompletedProcess[bytes]:
        """Waits until what launch() has run serves or fails."""
        if self._foreground:
            wait_for(lambda: self._serves() or self.launcher.poll() is not None, "a calcd that serves")
            status = self.launcher.poll() or 0
        else:
            status = self.launcher.wait()
        if status == 0:
            pid = self.launcher.pid if self._foreground else int(self.pidfile.read_text())
            self.supervisor = Process(pid)
            self.session = self.supervisor.session
            self._is_stopping = False
        return subprocess.CompletedProcess(self.launcher.args, status)

    def _serves(self) -> bool:
        return any(re.match(r"calcd \S+ serves on ", line) for line in self.log())

    def reload(self) -> subprocess.CompletedProcess[str]:
        return self.told(self.tell("--reload"))

    def upgrade(self) -> subprocess.CompletedProcess[str]:
        return self.told(self.tell("--upgrade"))

    def tell(self, option: str) -> subprocess.Popen[str]:
        """Runs a calcd that tells this one something, and does not wait for it."""
        command = [*COMMAND, *self._options, option]
        return subprocess.Popen(
            command, cwd=self._tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def told(self, command: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        """Waits for what tell() has run."""
        stdout, stderr = command.communicate(timeout=DEADLINE)
        return subprocess.CompletedProcess(command.args, command.returncode, stdout, stderr)

    def info(self) -> dict[str, str]:
        """What calcd --status prints, by name."""
        result = self.told(self.tell("--status"))
        assert (result.returncode, result.stderr) == (0, "")
        return dict(line.split(":", 1) for line in result.stdout.splitlines() if ":" in line)

    def log(self) -> list[str]:
        """The messages so far, without what names the process, or out of the objects of LogTarget=json."""
        return [message_of(line) for line in self.log_file.read_text().splitlines()]

    def wait_for_log(self, pattern: str, times: int = 1) -> list[re.Match[str]]:
        """The lines that match the whole pattern, as soon as there are that many."""

        def found() -> list[re.Match[str]]:
            return [match for line in self.log() if (match := re.fullmatch(pattern, line))]

        wait_for(lambda: len(found()) >= times, f"{times} lines like {pattern!r} in {self.log()}")
        return found()

    @property
    def address(self) -> tuple[str, int]:
        """Where the first TCP socket listens."""
        line = self.wait_for_log(r"(?:calcd \S+ |reloaded: |upgraded.*: )serves on ([^\s,;]+):(\d+).*")[-1]
        return line[1].strip("[]"), int(line[2])

    def connect(self) -> socket.socket:
        connection = socket.create_connection(self.address)
        connection.settimeout(DEADLINE)
        return connection

    @property
    def listeners(self) -> list[Process]:
        # A handler is titled so for a moment as well, but is no child of the supervisor's.
        return _titled("calcd: listener", self.supervisor.children())

    @property
    def listener(self) -> Process:
        """The one that serves, once those that were told to retire have gone."""
        wait_for(lambda: len(self.listeners) == 1, f"one listener: {self.listeners}")
        (listener,) = self.listeners
        return listener

    @property
    def handlers(self) -> list[Process]:
        return _beginning("calcd: serving ", of_session(self.session))

    @property
    def awaiting_headers(self) -> list[Process]:
        """The handlers that wait for the header of a proxy."""
        return _beginning("calcd: waiting for the header of ", self.listener.children())

    @property
    def waiting(self) -> list[Process]:
        """The handlers that wait for a connection."""
        return waiting(self.listener)

    def signal(self, number: signal.Signals) -> None:
        self._is_stopping |= number in (signal.SIGTERM, signal.SIGINT)
        os.kill(self.supervisor.pid, number)

    def stop(self) -> None:
        """TERM, and nothing is left of it: no process, no pidfile, no socket."""
        self.signal(signal.SIGTERM)
        self.wait_until_gone()
        assert sorted(os.listdir(self.folder)) == ["calcd.conf", "log"]

    def wait_until_gone(self) -> None:
        wait_for(self._is_gone, f"the end of {of_session(self.session)}; log: {self.log()}")

    def _is_gone(self) -> bool:
        self.launcher.poll()  # takes note of the end of one in the foreground
        return not of_session(self.session)

    def __enter__(self) -> Self:
        result = self.start()
        assert result.returncode == 0, self.log()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print("the log of calcd:", *self.log(), sep="\n")
            for process in of_session(self.session):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            self.launcher.wait()
            return
        if self._is_stopping:
            self.wait_until_gone()
        else:
            self.stop()
        ordinary = re.compile("|".join((*_ORDINARY, *self.expected)))
        assert [line for line in self.log() if not ordinary.fullmatch(line)] == []


def message_of(line: str) -> str:
    """What a line says that calcd has written to standard error."""
    if line.startswith("{"):
        return str(json.loads(line)["MESSAGE"])
    return re.sub(r"^calcd\[\d+\]: ", "", line)


def waiting(listener: Process) -> list[Process]:
    """The handlers of this listener that wait for a connection."""
    return _titled("calcd: waiting for a connection", listener.children())


def _titled(title: str, processes: Iterable[Process]) -> list[Process]:
    return [process for process in processes if process.belongs(lambda p: p.title == title)]


def _beginning(title: str, processes: Iterable[Process]) -> list[Process]:
    """Those whose titles begin so, and end with a name."""
    return [process for process in processes if process.belongs(lambda p: p.title.startswith(title))]


def ask(connection: socket.socket, operation: Operation, op1: int, op2: int) -> int:
    """One request, one answer."""
    connection.sendall(classic.encode_request(operation, op1, op2))
    (answer,) = receive(connection, 1)
    return answer


def receive(connection: socket.socket, replies: int) -> tuple[int, ...]:
    """So many answers; raises AssertionError when the connection ends before."""
    wanted = replies * classic.REPLY.size
    received = b""
    while len(received) < wanted:
        chunk = connection.recv(wanted - len(received))
        assert chunk, f"the connection ended after {len(received)} of {wanted} bytes"
        received += chunk
    return classic.decode_replies(received)
