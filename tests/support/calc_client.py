"""calc-client as a process, and the other side of its connection played by hand."""

import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from support import processes

DEADLINE = processes.DEADLINE
COMMAND = (sys.executable, "-W", "error", "-m", "calcd.client")


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with calcd to be imported from the tree, and no server or protocol set."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CALCD_")}
    return {**inherited, "PYTHONPATH": str(Path(__file__).parents[2]), **changes}


def program(folder: Path) -> Path:
    """Makes calc-client as a program in the folder, for shells that have it in PATH."""
    made = folder / "bin" / "calc-client"
    made.parent.mkdir()
    made.write_text(f'#!/bin/sh\nPYTHONPATH={Path(__file__).parents[2]} exec {shlex.join(COMMAND)} "$@"\n')
    made.chmod(0o755)
    return made


def run(
    *arguments: str, lines: str | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs calc-client to its end, with lines on standard input (by default none: /dev/null)."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=lines,
        stdin=subprocess.DEVNULL if lines is None else None,
        capture_output=True,
        text=True,
        env=env or environment(),
        timeout=DEADLINE,
        check=False,
    )


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """Starts calc-client with pipes for its standard streams."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )


@contextlib.contextmanager
def played(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """Starts calc-client, and yields it with its connection to a server that the test plays."""
    listener, address = listen()
    with listener, start("--server", address, *arguments) as client, accept(listener) as connection:
        yield client, connection


def listen() -> tuple[socket.socket, str]:
    """A listening socket on loopback, and how to write its address for --server."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(DEADLINE)
    return listener, f"127.0.0.1:{listener.getsockname()[1]}"


def accept(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.settimeout(DEADLINE)
    return connection


def receive_line(connection: socket.socket) -> bytes:
    """Reads a request of RESP as calc-client sends it: a line."""
    line = b""
    while not line.endswith(b"\n"):
        chunk = connection.recv(1 << 16)
        assert chunk, f"the client closed the connection behind {line!r}"
        line += chunk
    return line


def add_one(connection: socket.socket) -> None:
    """Reads a request to add, and sends the sum."""
    name, a, b = receive_line(connection).split()
    assert name == b"ADD"
    connection.sendall(b":%d\r\n" % (int(a) + int(b)))


@contextlib.contextmanager
def served(*connections: tuple[str, bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that plays a part in each connection, one after the other: it reads what ends so, answers with
    these bytes, and closes. Yields its address and what it has read."""
    listener, address = listen()
    read: list[bytes] = []

    def serve() -> None:
        for last, answer in connections:
            with accept(listener) as connection:
                request = b""
                while last and not re.search(last.encode(), request):
                    data = connection.recv(1 << 16)
                    if not data:
                        break
                    request += data
                read.append(request)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass

    server = threading.Thread(target=serve)
    server.start()
    with listener:
        yield address, read
        server.join(DEADLINE)
    assert not server.is_alive()
