"""calcd with a socket for scrapes, which it is passed, and an HTTP client for that."""

import socket
import sys
from pathlib import Path

from support import activate
from support.daemon import Calcd
from support.processes import DEADLINE

GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Scraped(Calcd):
    """It has two sockets: one for clients, of its own or passed, and one for scrapes."""

    def __init__(self, folder: Path, metrics: socket.socket, clients: socket.socket | None = None) -> None:
        self.metrics_address = metrics.getsockname()
        passed = [metrics] if clients is None else [metrics, clients]
        fds = [each.fileno() for each in passed]
        names = "metrics" if clients is None else "metrics:classic"
        prefix = sys.executable, activate.__file__, ",".join(map(str, fds)), names
        super().__init__(folder, prefix=prefix, pass_fds=fds)

    def scrape(self, request: bytes = GET) -> tuple[int, str, str]:
        """Returns the status, the head and the body."""
        with socket.create_connection(self.metrics_address, timeout=DEADLINE) as connection:
            connection.sendall(request)
            return response(connection)

    def metrics(self) -> dict[str, float]:
        status, _, body = self.scrape()
        assert status == 200
        lines = [line.rpartition(" ") for line in body.splitlines() if not line.startswith("#")]
        return {series: float(number) for series, _, number in lines}


def response(connection: socket.socket) -> tuple[int, str, str]:
    with connection.makefile("rb") as file:
        head, _, body = file.read().decode().partition("\r\n\r\n")
    return int(head.split()[1]), head, body
