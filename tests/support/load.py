"""Many clients at once, as a program: each connects, adds, checks, quits, waits for the end, closes.

    load.py [--clients N] [--connections N] [--server HOST:PORT|unix:/PATH]

Without --connections it goes on until the end of file on standard input. It prints "under way" once an
answer has come, and at the end a JSON object that counts what became of the connections. Plain sockets
and struct: nothing of what is tested is used to test it.
"""

import argparse
import collections
import json
import random
import socket
import struct
import sys
import threading

TIMEOUT = 300.0  # seconds; nothing that works takes as long, on the busiest machine
ADD, QUIT = 0, 4


def connect(server: str) -> socket.socket:
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
    return socket.create_connection((host.strip("[]"), int(port)), TIMEOUT)


def converse(server: str) -> str:
    """One connection; returns what became of it."""
    a, b = random.randrange(1 << 30), random.randrange(1 << 30)
    try:
        with connect(server) as connection:
            connection.sendall(struct.pack("<iii", ADD, a, b))
            reply = connection.recv(4, socket.MSG_WAITALL)
            if len(reply) < 4:
                return "short"
            if reply != struct.pack("<i", a + b):
                return "wrong"
            connection.sendall(struct.pack("<iii", QUIT, 0, 0))
            return "ok" if connection.recv(1) == b"" else "wrong"
    except (ConnectionRefusedError, FileNotFoundError):
        return "refused"
    except (ConnectionResetError, BrokenPipeError):
        return "reset"
    except TimeoutError:
        return "timed out"


class Load:
    def __init__(self, server: str, connections: int | None) -> None:
        self._server = server
        self._left = connections
        self._lock = threading.Lock()
        self.is_over = False
        self.outcomes: collections.Counter[str] = collections.Counter()

    def client(self) -> None:
        """Connects again and again, until its share of the connections is made or the load is over."""
        while self._may_connect():
            outcome = converse(self._server)
            with self._lock:
                if outcome == "ok" and not self.outcomes["ok"]:
                    print("under way", flush=True)
                self.outcomes[outcome] += 1

    def _may_connect(self) -> bool:
        with self._lock:
            if self._left is not None:
                self._left -= 1
            return not self.is_over and (self._left is None or self._left >= 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--connections", type=int)
    parser.add_argument("--server", default="127.0.0.1:7070")
    options = parser.parse_args()
    load = Load(options.server, options.connections)
    clients = [threading.Thread(target=load.client) for _ in range(options.clients)]
    for client in clients:
        client.start()
    if options.connections is None:
        sys.stdin.read()
        load.is_over = True
    for client in clients:
        client.join()
    print(json.dumps(load.outcomes))


if __name__ == "__main__":
    main()
