"""Many clients at once, as a program: each connects, adds, checks, quits, waits for the end, closes.

    load.py [--clients N] [--connections N] [--stay idle|busy] [--server HOST:PORT|unix:/PATH]
            [--sources NETWORK]

Without --connections it goes on until the end of file on standard input. It prints "under way" once an
answer has come, and at the end a JSON object that counts what became of the connections.

With --stay each client has one connection, and quits at the end of file. Until then it adds again and again
(busy), or it does nothing, and adds once more before it quits (idle). "under way" is when each has had an
answer.

With --sources each connection comes from some address of that network, which the machine has.

Plain sockets and struct: nothing of what is tested is used to test it.
"""

import argparse
import collections
import ipaddress
import json
import random
import socket
import struct
import sys
import threading
from collections.abc import Iterable, Iterator

TIMEOUT = 300.0  # seconds; nothing that works takes as long, on the busiest machine
PAUSE = 0.05  # seconds between two requests of a busy connection, so that fifty leave others room
ADD, QUIT = 0, 4


def connect(server: str, source: str | None) -> socket.socket:
    if server.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(TIMEOUT)
            connection.connect(server.removeprefix("unix:"))
        except OSError:
            connection.close()
            raise
        return connection
    host, _, port = server.rpartition(":")
    address = host.strip("[]"), int(port)
    return socket.create_connection(address, TIMEOUT, (source, 0) if source else None)


def converse(server: str, source: str | None, moments: Iterable[None]) -> str:
    """One connection, on which the client adds at each of the moments; returns what became of it."""
    try:
        with connect(server, source) as connection:
            for _ in moments:
                if problem := add(connection):
                    return problem
            connection.sendall(struct.pack("<iii", QUIT, 0, 0))
            return "ok" if connection.recv(1) == b"" else "wrong"
    except (ConnectionRefusedError, FileNotFoundError):
        return "refused"
    except (ConnectionResetError, BrokenPipeError):
        return "reset"
    except TimeoutError:
        return "timed out"


def add(connection: socket.socket) -> str:
    """Returns what is wrong with the answer, or ""."""
    a, b = random.randrange(1 << 30), random.randrange(1 << 30)
    connection.sendall(struct.pack("<iii", ADD, a, b))
    reply = connection.recv(4, socket.MSG_WAITALL)
    if len(reply) < 4:
        return "short"
    return "" if reply == struct.pack("<i", a + b) else "wrong"


class Load:
    def __init__(self, options: argparse.Namespace) -> None:
        self._server = options.server
        self._sources = [str(address) for address in options.sources.hosts()] if options.sources else [None]
        self._left = options.connections
        self._stay = options.stay
        self._unanswered = options.clients if options.stay else 1  # until it is under way
        self._lock = threading.Lock()
        self.over = threading.Event()
        self.outcomes: collections.Counter[str] = collections.Counter()

    def client(self) -> None:
        """Connects again and again, until its share of the connections is made or the load is over. One that
        stays connects once."""
        while self._may_connect():
            outcome = converse(self._server, random.choice(self._sources), self._moments())
            with self._lock:
                self.outcomes[outcome] += 1
            if self._stay:  # also if it was lost
                return

    def _moments(self) -> Iterator[None]:
        """Yields when to add. It goes on once the answer has come."""
        yield
        self._answered()
        if self._stay == "busy":
            while not self.over.wait(PAUSE):
                yield
        elif self._stay == "idle":
            self.over.wait()
            yield

    def _answered(self) -> None:
        with self._lock:
            self._unanswered -= 1
            if self._unanswered == 0:
                print("under way", flush=True)

    def _may_connect(self) -> bool:
        with self._lock:
            if self._left is not None:
                self._left -= 1
            return not self.over.is_set() and (self._left is None or self._left >= 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--connections", type=int)
    parser.add_argument("--stay", choices=("idle", "busy"))
    parser.add_argument("--server", default="127.0.0.1:7070")
    parser.add_argument("--sources", type=ipaddress.ip_network)
    options = parser.parse_args()
    load = Load(options)
    clients = [threading.Thread(target=load.client) for _ in range(options.clients)]
    for client in clients:
        client.start()
    if options.connections is None:
        sys.stdin.read()
        load.over.set()
    for client in clients:
        client.join()
    print(json.dumps(load.outcomes))


if __name__ == "__main__":
    main()
