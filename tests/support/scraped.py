"""calcd with a socket for scrapes, and an HTTP client for that."""

import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from support import activate
from support.daemon import TREE, Calcd
from support.processes import DEADLINE

GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Scraped(Calcd):
    @property
    def metrics_address(self) -> tuple[str, int]:
        """Where the first TCP socket for scrapes is."""
        serves = r"(?:calcd \S+ |reloaded: |upgraded.*: )serves on .*?"
        line = self.wait_for_log(rf"{serves}metrics:([^\s,;]+):(\d+).*")[-1]
        return line[1].strip("[]"), int(line[2])

    def scrape(self, request: bytes = GET, address: tuple[str, int] | None = None) -> tuple[int, str, str]:
        """Returns the status, the head and the body."""
        with socket.create_connection(address or self.metrics_address, timeout=DEADLINE) as connection:
            connection.sendall(request)
            return response(connection)

    def metrics(self) -> dict[str, float]:
        status, _, body = self.scrape()
        assert status == 200
        lines = [line.rpartition(" ") for line in body.splitlines() if not line.startswith("#")]
        return {series: float(number) for series, _, number in lines}


class PassedScraped(Scraped):
    """It is passed the socket for scrapes. That for clients is one of its own, or passed as well."""

    def __init__(
        self,
        folder: Path,
        metrics: socket.socket,
        clients: socket.socket | None = None,
        listen: Sequence[str] = ("127.0.0.1:0",),
        tree: Path = TREE,
    ) -> None:
        passed = [metrics] if clients is None else [metrics, clients]
        fds = [each.fileno() for each in passed]
        names = "metrics" if clients is None else "metrics:classic"
        prefix = sys.executable, activate.__file__, ",".join(map(str, fds)), names
        super().__init__(folder, listen=listen, prefix=prefix, pass_fds=fds, tree=tree)


def response(connection: socket.socket) -> tuple[int, str, str]:
    with connection.makefile("rb") as file:
        head, _, body = file.read().decode().partition("\r\n\r\n")
    return int(head.split()[1]), head, body
