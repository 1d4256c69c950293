"""Programs that speak something else come to calcd's port: what they see, and what the log says."""

import os
import socket
import ssl
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import Calcd
from support.processes import DEADLINE, wait_for
from support.resp import until_end

STRANGER = (
    r"connection \d+ from \S+ closed after [\d.]+ s: it does not speak calcd's protocols, it sent (.*), "
    r"which looks like (.*)"
)


@pytest.fixture
def calcd(folder: Path) -> Iterator[Calcd]:
    with Calcd(folder) as calcd:
        calcd.expected.append(STRANGER)
        yield calcd


def curl(calcd: Calcd, *arguments: str) -> subprocess.CompletedProcess[str]:
    host, port = calcd.address
    command = ["curl", "--silent", "--show-error", *arguments, f"http://{host}:{port}/"]
    # Without proxies.
    environment = {"PATH": os.environ["PATH"], "no_proxy": "*"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=DEADLINE, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "frame"),
    [
        ([], "'GET / HTTP/1'"),
        (["--data", "ADD 2 3\r\nADD 4 5\r\n"], "'POST / HTTP/'"),
    ],
)
def test_curl_gets_no_reply_and_the_log_says_http(calcd: Calcd, arguments: list[str], frame: str) -> None:
    result = curl(calcd, *arguments)
    assert result.returncode == 52, result.stderr  # curl(1): nothing was returned from the server
    assert result.stdout == ""
    (line,) = calcd.wait_for_log(STRANGER)
    assert line.groups() == (frame, "HTTP")


def test_a_body_that_is_longer_than_a_read_runs_no_command(calcd: Calcd) -> None:
    result = curl(calcd, "--data", "ADD 2 3\r\n" * 10_000)
    assert result.returncode in (52, 55, 56), result.stderr  # a reset while it sends, or while it waits
    assert result.stdout == ""
    assert calcd.wait_for_log(STRANGER)[0][2] == "HTTP"


def test_tls_is_refused_at_once_and_named(calcd: Calcd) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with calcd.connect() as connection, pytest.raises(OSError, match=r"EOF|reset|peer"):
        context.wrap_socket(connection)
    assert calcd.wait_for_log(STRANGER)[0][2] == "TLS"


@pytest.mark.parametrize(
    ("sent", "looks_like"),
    [
        (struct.pack(">iii", 1, 2, 3), "this protocol with its integers in big-endian order: .*"),
        (b"\xff" * 12, "nothing that calcd knows"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n" * 3, "SSH"),
        (b"good day\nis anybody there?\nhm\n", "text"),
        (b"\x05\x02\x00\x01", "SOCKS"),
    ],
)
def test_who_speaks_something_else_is_named_in_the_log(calcd: Calcd, sent: bytes, looks_like: str) -> None:
    with calcd.connect() as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        until_end(connection, may_be_reset=True)
    (line,) = calcd.wait_for_log(rf".* looks like {looks_like}")
    assert "closed after" in line[0]


def test_a_proxys_header_closes_at_once(calcd: Calcd) -> None:
    with calcd.connect() as connection:
        connection.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 7070\r\nADD 2 3\r\n")
        assert until_end(connection, may_be_reset=True) == b""
    assert calcd.wait_for_log(STRANGER)[0][2] == "a proxy's PROXY header"


def test_a_client_of_redis_that_asks_for_keys_is_told_so_and_may_stay(calcd: Calcd) -> None:
    with calcd.connect() as connection:
        connection.sendall(b"GET a\r\nSET a 1\r\nGET a\r\nADD 2 3\r\nQUIT\r\n")
        *errors, five, ok = until_end(connection).splitlines()
    assert len(errors) == 3
    assert (five, ok) == (b":5", b"+OK")
    wait_for(lambda: any(": quit; " in line for line in calcd.log()), "the end")
