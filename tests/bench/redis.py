"""Compares calcd's RESP with redis-server. redis.py --help lists the options."""

import argparse
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_CHUNK = 64 * 1024  # bytes that the load writes at a time
_FOUR = (b"ADD", b"SUB", b"MUL", b"DIV")
_REDIS_SERVER = ("redis-server", "--port", "0", "--save", "", "--appendonly", "no", "--unixsocket")

_BASE = "arrays, ADD 2 3"  # the load of redis-server where it has no such one itself
Figures = dict[str, float]  # a rate a second, by the name of the load


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Compares calcd's RESP with redis-server (Debian: apt-get install redis-server), which "
        "runs INCRBY in place of ADD. The server has one CPU, and the load another one. The figures are the "
        "rates of redis-server, and the median and range of calcd's ratios to it in the same round.",
        allow_abbrev=False,
    )
    parser.add_argument("--rounds", type=int, default=8, help="How many. Default: %(default)s.")
    parser.add_argument("--seconds", type=float, default=1.0, help="For each load. Default: %(default)s.")
    options = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    rounds: list[tuple[Figures, Figures]] = []
    for _ in range(options.rounds):
        with _redis(cpus[0]) as path:
            redis = _measure(path, cpus[-1], options.seconds, b"INCRBY k %d")
        with _calcd(cpus[0]) as path:
            rounds.append((redis, _measure(path, cpus[-1], options.seconds, None)))
    print(f"{'':44}{'redis-server/s':>16}{'calcd, ratio':>14}{'from':>8}{'to':>8}")
    for name in rounds[0][1]:
        base = [redis[name if name in redis else _BASE] for redis, _ in rounds]
        ratios = [calcd[name] / rate for rate, (_, calcd) in zip(base, rounds, strict=True)]
        print(
            f"{name:44}{statistics.median(base):16,.0f}{statistics.median(ratios):14.2f}"
            f"{min(ratios):8.2f}{max(ratios):8.2f}"
        )


@contextmanager
def _redis(cpu: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        yield from _served([*_REDIS_SERVER, path], path, cpu)


@contextmanager
def _calcd(cpu: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        config = Path(folder, "calcd.conf")
        config.write_text("[calcd]\nPidFile=\nLogLevel=err\nLogConnections=errors\nUser=root\n")
        command = [sys.executable, "-m", "calcd", "--foreground", "--config", str(config)]
        yield from _served([*command, "--listen", f"unix:{path}"], path, cpu)


def _served(command: list[str], path: str, cpu: int) -> Iterator[str]:
    server = subprocess.Popen(
        ["taskset", "--cpu-list", str(cpu), *command], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        while True:
            with socket.socket(socket.AF_UNIX) as client:
                try:
                    client.connect(path)
                    break
                except OSError:
                    if server.poll() is not None:
                        sys.exit(f"{shutil.which(command[0]) or command[0]} has ended: {server.returncode}")
                    time.sleep(0.05)
        yield path
    finally:
        server.terminate()
        server.wait()


def _measure(path: str, cpu: int, seconds: float, addition: bytes | None) -> Figures:
    """addition is what stands for ADD 2 3 on redis-server, None on calcd."""
    dice = random.Random(1)

    def number() -> bytes:
        return b"%d" % dice.randint(1, 999_999)

    adds = (addition % 0 if addition else b"ADD 2 3").split()
    loads: dict[str, Callable[[], bytes]] = {_BASE: lambda: _array(*adds)}
    if not addition:
        loads |= {
            "arrays, four operations, 6 digits": lambda: _array(dice.choice(_FOUR), number(), number()),
            "lines, ADD 2 3": lambda: b"ADD 2 3\n",
            "lines, four operations, 6 digits": lambda: (
                b" ".join((dice.choice(_FOUR), number(), number())) + b"\n"
            ),
            "arrays, ADD of three operands": lambda: _array(b"ADD", number(), number(), number()),
        }
    figures = {name: _stream(path, cpu, seconds, command) for name, command in loads.items()}
    command = (addition % 3 if addition else b"ADD 2 3").decode().split()
    for clients in (1, 50):
        for pipelined in (1, 16, 64):
            name = f"redis-benchmark, ADD 2 3, -c {clients} -P {pipelined}"
            measured = ["-s", path, "-c", str(clients), "-P", str(pipelined)]
            figures[name] = _redis_benchmark(measured, command, cpu, seconds)
    return figures


def _array(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def _stream(path: str, cpu: int, seconds: float, command: Callable[[], bytes]) -> float:
    """Commands a second of one connection that never waits for a reply."""
    commands = [command()]
    while sum(map(len, commands)) < _CHUNK:
        commands.append(command())
    chunk = memoryview(b"".join(commands))
    os.sched_setaffinity(0, {cpu})
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(chunk)
        size = 0  # of the replies to a chunk
        lines = 0
        while lines < len(commands):
            received = client.recv(1 << 20)
            lines += received.count(b"\n")
            size += len(received)
        client.setblocking(False)
        began = time.monotonic()
        sent = received_bytes = 0
        while time.monotonic() < began + seconds:
            with suppress(BlockingIOError):
                sent += client.send(chunk[sent % len(chunk) :])
            with suppress(BlockingIOError):
                received_bytes += len(client.recv(1 << 20))
        return received_bytes / size * len(commands) / (time.monotonic() - began)


def _redis_benchmark(options: list[str], command: list[str], cpu: int, seconds: float) -> float:
    """Commands a second, as redis-benchmark finds it. The time in which its clients connect counts."""
    rate = 2_000.0
    for _ in range(3):  # the last one is as long as it is meant to be
        wanted = max(int(rate * seconds), 1000)
        output = subprocess.run(
            [
                *("taskset", "--cpu-list", str(cpu), "redis-benchmark", "--csv"),
                *("-n", str(wanted), *options, *command),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        rate = float(output.splitlines()[-1].split(",")[1].strip('"'))
    return rate


if __name__ == "__main__":
    main()
