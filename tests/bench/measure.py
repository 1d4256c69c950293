"""One measurement: one server, started afresh, under one load."""

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
from bench.servers import BUILD, ROOT, Server

_READY_WITHIN = 10.0
_SETTLE = 0.3  # until a server that is asked once more, or told of a held connection, is at rest
_LOAD_GRACE = 30.0  # load.c gives up by itself before that


class Load(NamedTuple):
    mode: str
    clients: int

    def __str__(self) -> str:
        return f"{self.mode}:{self.clients}"


class Figure(NamedTuple):
    value: float  # connections or requests per second; hold: KiB per connection
    p50: float = 0  # microseconds; 0 where a load measures none
    p99: float = 0


class MeasurementError(Exception):
    """A server, or a load on it, that failed; the text names it and why."""


def measure(server: Server, program: str, load: Load, seconds: float) -> Figure:
    """Raises MeasurementError."""
    with _running(server, program) as (process, port):
        command = [str(BUILD / "load"), load.mode, str(port), str(load.clients), str(seconds)]
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
        if generator.returncode:
            raise MeasurementError(f"{server.name}, {load}: {errors.strip() or generator.returncode}")
        if process.poll() is not None:
            raise MeasurementError(f"{server.name}, {load}: the server ended with {process.returncode}")
        if load.mode == "hold":
            return Figure(growth / load.clients)
        return Figure(*map(float, output.split()))


@contextlib.contextmanager
def _running(server: Server, program: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    # Not in the system's folder for such: what a kill leaves here goes with make clean.
    with tempfile.TemporaryDirectory(dir=BUILD) as name:
        folder = Path(name)
        port = _free_port()
        log = folder / "log"
        with log.open("wb") as output:
            try:
                process = subprocess.Popen(
                    server.command(program, port, folder),
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # a Ctrl-C is for run.py, which ends the server
                )
            except OSError as error:
                raise MeasurementError(f"{server.name} cannot be started: {error}") from error
        try:
            _wait_until_ready(server, process, port, log)
            yield process, port
        finally:
            processes.end(process)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(server: Server, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Asks until there is an answer, which also has the server do what it does at a first connection."""
    give_up = time.monotonic() + _READY_WITHIN
    reason = "no connection"
    while process.poll() is None and time.monotonic() < give_up:
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as connection:
                connection.sendall(struct.pack("<6i", 0, 2, 3, 4, 0, 0))
                if connection.recv(4, socket.MSG_WAITALL) == struct.pack("<i", 5):
                    time.sleep(_SETTLE)
                    return
                reason = "2 + 3 is not 5"
        except OSError as error:
            reason = str(error)
        time.sleep(0.02)
    said = log.read_text(errors="replace").strip().rpartition("\n")[2] or "nothing"
    raise MeasurementError(f"{server.name} does not serve: {reason}; the last it said: {said}")
