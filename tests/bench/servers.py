"""The servers that are compared, and how each is started."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "bench"
PYTHON = "/usr/bin/python3"

_HANDLER = str(BUILD / "handler")
# All connections that a load has open at a time, and then some; the defaults are 20 to 40.
_MANY = "4096"

_QUIET = "LogConnections=errors"
_REUSED = "ConnectionsPerHandler=infinity"


class Server(NamedTuple):
    name: str
    what: str
    command: Callable[[str, int, Path], Sequence[str | Path]]  # of its program, a port, an empty folder
    program: str | None = None  # where it is not one of this tree
    package: str | None = None  # of Debian


def _calcd(*settings: str) -> Callable[[str, int, Path], Sequence[str | Path]]:
    def command(_program: str, port: int, folder: Path) -> Sequence[str | Path]:
        config = folder / "calcd.conf"
        config.write_text("\n".join(["[calcd]", *settings, "PidFile=", ""]))
        options = ["--foreground", "--log-target", "stderr", "--listen", f"127.0.0.1:{port}"]
        return [PYTHON, "-m", "calcd", "--config", config, *options]

    return command


def _xinetd(program: str, port: int, folder: Path) -> Sequence[str | Path]:
    config = folder / "xinetd.conf"
    config.write_text(
        "service calc\n{\n"
        "type = UNLISTED\nsocket_type = stream\nprotocol = tcp\nwait = no\n"
        f"bind = 127.0.0.1\nport = {port}\nserver = {_HANDLER}\nuser = {pwd.getpwuid(os.getuid()).pw_name}\n"
        "instances = UNLIMITED\nper_source = UNLIMITED\ncps = 1000000 1\n"
        "}\n"
    )
    return [program, "-dontfork", "-f", config, "-pidfile", folder / "xinetd.pid"]


BASELINE = Server(
    "C fork",
    "fork_server.c: forks for each connection, nothing else",
    lambda _program, port, _folder: [BUILD / "fork_server", str(port)],
)

SERVERS = (
    BASELINE,
    Server("calcd", f"as shipped, but {_QUIET}", _calcd(_QUIET)),
    Server("calcd log-all", "as shipped, which logs every connection, to a file", _calcd()),
    Server("calcd on demand", f"SpareHandlers=0 {_QUIET}", _calcd("SpareHandlers=0", _QUIET)),
    Server("calcd reused", f"{_REUSED} {_QUIET}", _calcd(_REUSED, _QUIET)),
    Server("calcd reused log-all", f"{_REUSED}, which logs every connection, to a file", _calcd(_REUSED)),
    Server(
        "ForkingTCPServer",
        "Python's socketserver, forking_server.py",
        lambda _program, port, _folder: [PYTHON, ROOT / "tests" / "bench" / "forking_server.py", str(port)],
    ),
    Server(
        "tcpserver",
        "starts handler.c for each connection",
        lambda program, port, _folder: [
            *(program, "-c", _MANY, "-b", _MANY, "-D", "-H", "-R", "-l", "localhost"),
            *("127.0.0.1", str(port), _HANDLER),
        ],
        "tcpserver",
        "ucspi-tcp",
    ),
    Server(
        "tcpsvd",
        "starts handler.c for each connection",
        lambda program, port, _folder: [
            *(program, "-c", _MANY, "-b", _MANY, "-l", "localhost"),
            *("127.0.0.1", str(port), _HANDLER),
        ],
        "tcpsvd",
        "ipsvd",
    ),
    Server("xinetd", "starts handler.c for each connection", _xinetd, "xinetd", "xinetd"),
    Server(
        "systemd",
        "systemd-socket-activate --inetd --accept starts handler.c for each connection",
        lambda program, port, _folder: [
            *(program, "--inetd", "--accept", "--listen", f"127.0.0.1:{port}", _HANDLER),
        ],
        "systemd-socket-activate",
        "systemd",
    ),
)


def find(server: Server) -> str | None:
    """The path of the program; empty for a server of this tree, None for one that is not installed."""
    if server.program is None:
        return ""
    # An ordinary user's PATH is without the folders of the daemons.
    return shutil.which(server.program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def version(server: Server) -> str:
    if server.package:
        return f"{server.package} {_first_line('dpkg-query', '-W', '-f', '${Version}', server.package)}"
    if server.name.startswith("calcd"):
        return _first_line(PYTHON, "-m", "calcd", "--version")
    if server is BASELINE:
        return _first_line("gcc", "--version")
    return version_of_python()


def version_of_python() -> str:
    return _first_line(PYTHON, "--version").removeprefix("Python ")


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "(version unknown)"
    return done.stdout.partition("\n")[0]
