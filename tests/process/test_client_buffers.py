"""What fits the buffers of a connection whose client reads nothing, as calcd-protocol(7) says; and that the
library's clients are answered whatever fits."""

import fcntl
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import calc_client
from support.both_clients import BOTH, MakeClient
from support.daemon import TREE, Calcd, receive
from support.processes import wait_for

from calcd.client import DivisionByZeroError, Operation
from calcd.protocol import classic

FRAME = classic.encode_request(Operation.ADD, 1, 1)
FITTING = 4096  # requests: 48 KiB, and 16 KiB of replies
SENDS = 200  # of them on a Unix socket


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unix") / "socket"


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory, path: Path) -> Iterator[Calcd]:
    with Calcd(tmp_path_factory.mktemp("calcd"), listen=["127.0.0.1:0", f"unix:{path}"]) as calcd:
        yield calcd


@pytest.fixture
def tcp(calcd: Calcd) -> Iterator[socket.socket]:
    with calcd.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


@pytest.fixture
def unix(calcd: Calcd, path: Path) -> Iterator[socket.socket]:
    assert calcd.folder.exists()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.settimeout(calc_client.DEADLINE)
        yield connection


def unread(connection: socket.socket) -> int:
    """How much the other side has not read: tcp(7), unix(7)."""
    return int.from_bytes(fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def send(connection: socket.socket, frames: int, *, at_a_time: int, slowly: bool) -> None:
    """Sends so many frames, and reads nothing. Slowly: each time when calcd has read what was sent before,
    so that each has a reply of its own, which takes the most room."""
    for start in range(0, frames, at_a_time):
        connection.sendall(FRAME * min(at_a_time, frames - start))
        if slowly:
            wait_for(lambda: not unread(connection), "a calcd that reads")


def test_on_tcp_what_fits_does_however_it_is_sent(calcd: Calcd) -> None:
    for at_a_time in (1, 100, FITTING):
        with calcd.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            send(connection, FITTING, at_a_time=at_a_time, slowly=False)
            assert receive(connection, FITTING) == (2,) * FITTING


def test_on_tcp_single_requests_fit_that_have_single_replies(tcp: socket.socket) -> None:
    send(tcp, FITTING, at_a_time=1, slowly=True)
    assert receive(tcp, FITTING) == (2,) * FITTING


@pytest.mark.parametrize("slowly", [False, True])
def test_on_a_unix_socket_it_fits_in_so_many_sends(unix: socket.socket, slowly: bool) -> None:
    send(unix, FITTING, at_a_time=-(-FITTING // SENDS), slowly=slowly)
    assert receive(unix, FITTING) == (2,) * FITTING


def test_on_a_unix_socket_single_requests_that_have_single_replies_do_not_fit(unix: socket.socket) -> None:
    unix.setblocking(False)
    sent = 0
    with pytest.raises(BlockingIOError):
        while sent < FITTING:
            unix.send(FRAME)
            sent += 1
            if sent <= SENDS:
                wait_for(lambda: not unread(unix), "a calcd that reads")
    unix.settimeout(calc_client.DEADLINE)
    assert SENDS < sent < FITTING
    assert receive(unix, sent) == (2,) * sent


@pytest.mark.parametrize("client", BOTH)
@pytest.mark.parametrize("protocol", ["resp", "classic"])
def test_the_library_is_answered_on_a_unix_socket_whatever_it_asks(
    calcd: Calcd, path: Path, client: MakeClient, protocol: str
) -> None:
    assert calcd.folder.exists()
    with client(f"unix:{path}", calc_client.DEADLINE, protocol=protocol) as c:
        assert c.compute([(Operation.ADD, n, 1) for n in range(100_000)]) == list(range(1, 100_001))
        with c.pipeline() as p:
            calls = [p.div(n, 0) for n in range(20_000)]
        for call in calls:
            with pytest.raises(DivisionByZeroError):
                call.result()
        if protocol == "resp":
            big = 10**1000
            assert c.compute([(Operation.MUL, big, big)] * 2000) == [big**2] * 2000


ASK = {
    "Client": """
import sys
from calcd.client import Client
with Client(sys.argv[1], timeout=20) as c:
    with c.pipeline() as p:
        calls = [p.div(n, n % 2) for n in range(20_000)]
print(sum(call.result() for call in calls[1::2]))
""",
    "AsyncClient": """
import asyncio, sys
from calcd.client import AsyncClient
async def ask():
    async with AsyncClient(sys.argv[1], timeout=20) as c:
        async with c.pipeline() as p:
            calls = [p.div(n, n % 2) for n in range(20_000)]
    print(sum(call.result() for call in calls[1::2]))
asyncio.run(ask())
""",
}


@pytest.mark.parametrize("client", ASK)
def test_the_library_is_answered_where_the_buffers_are_as_small_as_can_be(
    folder: Path, network: list[str], client: str
) -> None:
    for buffer in ("tcp_rmem", "tcp_wmem"):
        command = f"echo 4096 4096 4096 >/proc/sys/net/ipv4/{buffer}"
        subprocess.run([*network, "sh", "-c", command], check=True)
    with Calcd(folder, listen=["127.0.0.1:7070"], prefix=network):
        asked = subprocess.run(
            [*network, sys.executable, "-W", "error", "-c", ASK[client], "127.0.0.1:7070"],
            cwd=TREE,
            capture_output=True,
            text=True,
            timeout=calc_client.DEADLINE,
            check=False,
        )
    assert (asked.stdout, asked.stderr) == (f"{sum(range(1, 20_000, 2))}\n", "")
