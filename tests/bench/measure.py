"""One measurement: one server, started afresh in a Debian, under one load."""

import contextlib
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench import processes
from bench.debians import BENCH, BUILD, Debian
from bench.servers import Server
from system.machine import TREE

_READY_WITHIN = 30.0
_SETTLE = 0.3  # until a server that is asked once more, or told of a held connection, is at rest
_LOAD_GRACE = 30.0  # load.c gives up by itself before that
# A question in each protocol, and the reply.
_PING = (b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n")
_QUESTIONS = {
    "classic": (struct.pack("<6i", 0, 2, 3, 4, 0, 0), struct.pack("<i", 5)),
    "resp": _PING,
    "ping": _PING,
}


class Load(NamedTuple):
    is_resp: bool
    mode: str
    clients: int

    def __str__(self) -> str:
        return f"{'resp-' * self.is_resp}{self.mode}:{self.clients}"


class Figure(NamedTuple):
    value: float  # connections or requests per second; hold: KiB per connection
    p50: float = 0  # microseconds; 0 where a load measures none
    p99: float = 0


class MeasurementError(Exception):
    """A server, or a load on it, that failed; the text names it and why."""


def measure(debian: Debian, server: Server, load: Load, seconds: float) -> Figure:
    """Raises MeasurementError."""
    with _running(debian, server) as (process, port):
        command = [str(TREE / BUILD / "load"), server.protocol]
        command += [load.mode, str(port), str(load.clients), str(seconds)]
        before = processes.memory(process.pid)
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as generator:
            try:
                if load.mode == "hold" and generator.stdout:
                    generator.stdout.readline()  # "held", or the end: load.c is bounded in time
                    time.sleep(_SETTLE)
                growth = processes.memory(process.pid) - before
                output, errors = generator.communicate(timeout=seconds + _LOAD_GRACE)
            finally:
                generator.kill()
        name = f"{debian.name}, {server.name}"
        if generator.returncode:
            raise MeasurementError(f"{name}, {load}: {errors.strip() or generator.returncode}")
        if process.poll() is not None:
            raise MeasurementError(f"{name}, {load}: the server ended with {process.returncode}")
        if load.mode == "hold":
            return Figure(growth / load.clients)
        return Figure(*map(float, output.split()))


@contextlib.contextmanager
def _running(debian: Debian, server: Server) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    # Not in the system's folder for such: what a kill leaves here goes with make clean.
    with tempfile.TemporaryDirectory(dir=TREE / BUILD) as folder:
        port = _free_port()
        places = {
            "port": port,
            "folder": Path(folder).relative_to(TREE),
            "bench": BENCH,
            "built": debian.built,
        }
        Path(folder, "config").write_text(server.config.format_map(places))
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                debian.command(server.command.format_map(places)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C is for run.py, which ends the server
            )
        try:
            _wait_until_ready(f"{debian.name}, {server.name}", server.protocol, process, port, log)
            yield process, port
        finally:
            processes.end(process)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(
    name: str, protocol: str, process: subprocess.Popen[bytes], port: int, log: Path
) -> None:
    """Asks until there is an answer, which also has the server do what it does at a first connection."""
    question, expected = _QUESTIONS[protocol]
    give_up = time.monotonic() + _READY_WITHIN
    reason = "no connection"
    while process.poll() is None and time.monotonic() < give_up:
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as connection:
                connection.sendall(question)
                reply = connection.recv(len(expected), socket.MSG_WAITALL)
                if reply == expected:
                    time.sleep(_SETTLE)
                    return
                reason = f"{question!r} is answered by {reply!r}"
        except OSError as error:
            reason = str(error)
        time.sleep(0.02)
    said = log.read_text(errors="replace").strip().rpartition("\n")[2] or "nothing"
    raise MeasurementError(f"{name} does not serve: {reason}; the last it said: {said}")
