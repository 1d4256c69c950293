"""Programs that take calcd's port for somebody else's."""

import contextlib
import http.client
import socket
import ssl
import struct
from pathlib import Path

import pytest
from support.daemon import Calcd, ask
from support.processes import DEADLINE

from calcd.protocol.classic import Operation

STRANGER = (
    r"connection 1 from \S+ closed after [\d.]+ s: it does not speak calcd's protocols, it sent (.*), which "
    r"looks like (.*)"
)


def http_client(address: tuple[str, int]) -> None:
    connection = http.client.HTTPConnection(*address, timeout=DEADLINE)
    with contextlib.closing(connection), pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        connection.request("GET", "/")
        connection.getresponse()


def tls_client(address: tuple[str, int]) -> None:
    context = ssl.create_default_context()
    connection = socket.create_connection(address, timeout=DEADLINE)
    with connection, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(connection, server_hostname="localhost")


def line_client(address: tuple[str, int]) -> None:
    """It says what it is told that nobody knows."""
    with (
        socket.create_connection(address, timeout=DEADLINE) as connection,
        connection.makefile("rb") as replies,
    ):
        for line in (b"HELO\r\n", b"MAIL FROM:<a@example.org>\r\n", b"RCPT TO:<b@example.org>\r\n"):
            connection.sendall(line)
            assert replies.readline().startswith(b"-ERR unknown command")


def big_endian_client(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=DEADLINE) as connection:
        connection.sendall(struct.pack(">iii", 1, 6, 7))
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("client", "name"),
    [(http_client, "HTTP"), (tls_client, "TLS"), (line_client, "SMTP"), (big_endian_client, "big-endian")],
)
def test_a_stranger_is_closed_at_once_and_the_log_says_what_it_looks_like(
    folder: Path, client: object, name: str
) -> None:
    daemon = Calcd(folder)
    daemon.config.write_text(
        "[calcd]\nFrameTimeout=infinity\nIdleTimeout=infinity\nFirstByteTimeout=infinity\n"
    )
    daemon.expected.append(STRANGER)
    with daemon:
        assert callable(client)
        client(daemon.address)
        (line,) = daemon.wait_for_log(STRANGER)
        assert name in line[2]
        with daemon.connect() as connection:
            assert ask(connection, Operation.ADD, 20, 22) == 42
