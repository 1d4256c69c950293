"""Clients that connect and vanish, reset, and never read, while others are served."""

import contextlib
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from support import clients
from support.clients import Clients
from support.daemon import Calcd
from support.processes import of_session, wait_for

from calcd.protocol.classic import Operation, encode_request

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

REQUEST = encode_request(Operation.ADD, 20, 22)
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 seconds: close(2) sends a reset, socket(7)
LOST = r"connection \d+ from \S+ ended after [\d.]+ s: (connection lost|truncated frame); .*"
OWN_NETWORK = ("unshare", "--net", "sh", "-ec", 'ip link set lo up; exec "$@"', "sh")
# Asks once, says so, and stays.
HALF_OPEN = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(bytes(12))
print(connection.recv(4) == bytes(4), flush=True)
sys.stdin.read()
"""


def connections_in(calcd: Calcd, what: str) -> list[int]:
    lines = (re.match(rf"connection (\d+) from \S+ {what}", line) for line in calcd.log())
    return sorted(int(line[1]) for line in lines if line)


def wait_until_all_ended(calcd: Calcd) -> None:
    wait_for(lambda: not calcd.handlers, "the end of every handler")
    wait_for(
        lambda: connections_in(calcd, "opened") == connections_in(calcd, "ended"), "every line in the log"
    )


def test_a_flood_of_connections_that_close_at_once_costs_nothing_in_the_end(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.expected.append(LOST)
        address = calcd.address
        files = {process.pid: process.files() for process in (calcd.supervisor, calcd.listener)}
        with Clients(address):
            for number in range(2000):
                with clients.connect(address) as connection:
                    if number % 2:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        wait_until_all_ended(calcd)
        assert connections_in(calcd, "opened") == list(range(1, len(connections_in(calcd, "opened")) + 1))
        wait_for(lambda: len(of_session(calcd.session)) <= 2 + calcd.spare, "no more processes than before")
        assert {process.pid: process.files() for process in (calcd.supervisor, calcd.listener)} == files


@pytest.mark.parametrize("sent", [0, 5, 12, 12 * 50_000], ids=["nothing", "half a frame", "one", "many"])
def test_resets_at_every_stage_are_one_line_each(tmp_path: Path, sent: int) -> None:
    with Calcd(tmp_path) as calcd, Clients(calcd.address):
        # What had been answered and not read is lost as well; who reset before the accept may be "closed".
        calcd.expected.append(LOST)
        mine = []
        for _ in range(50):
            connection = clients.connect(calcd.address)
            mine.append("{}:{}".format(*connection.getsockname()))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.setblocking(False)
            data = (REQUEST * (sent // 12 + 1))[:sent]
            if data:
                connection.send(data)
            connection.close()
        for peer in mine:
            calcd.wait_for_log(rf"connection \d+ from {peer} ended after .*")


def test_clients_that_never_read_are_waited_for_in_little_memory(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd, Clients(calcd.address):
        calcd.expected.append(LOST)
        stuck = [clients.connect(calcd.address) for _ in range(10)]
        pids = [
            int(line[1])
            for peer in ["{}:{}".format(*connection.getsockname()) for connection in stuck]
            for line in calcd.wait_for_log(rf"connection \d+ from {peer} opened, handler (\d+)")
        ]
        for connection in stuck:
            fill(connection)
        for handler in calcd.handlers:
            if handler.pid in pids:
                assert int(handler.status("VmRSS").split()[0]) < 64 * 1024, "kB"
        for connection in stuck:
            connection.close()
        wait_for(lambda: not {handler.pid for handler in calcd.handlers} & {*pids}, "their handlers to end")


def fill(connection: socket.socket) -> None:
    """Until nothing can be sent, because nothing that comes back is read, or a request is cut in two."""
    connection.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while connection.send(REQUEST * 4096) % len(REQUEST) == 0:
            pass


def test_a_client_that_vanishes_is_missed(tmp_path: Path, folder: Path) -> None:
    """The network between is cut. tcp(7): keepalive, here after a second."""
    server = tmp_path / "socket"
    with Calcd(folder, listen=["127.0.0.1:0", f"unix:{server}"], prefix=OWN_NETWORK) as calcd:
        calcd.expected.append(LOST)
        inside = ["nsenter", f"--target={calcd.supervisor.pid}", "--net"]
        for name, value in (("time", 1), ("intvl", 1), ("probes", 1)):
            setting = Path(f"/proc/{calcd.supervisor.pid}/root/proc/sys/net/ipv4/tcp_keepalive_{name}")
            subprocess.run([*inside, "sh", "-c", f"echo {value} >{setting}"], check=True)
        client = subprocess.Popen(
            [*inside, sys.executable, "-c", HALF_OPEN, str(calcd.address[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdout
        assert client.stdout.readline() == "True\n"
        with Clients(str(server)):
            subprocess.run([*inside, "ip", "link", "set", "lo", "down"], check=True)
            calcd.wait_for_log(r"connection 1 from 127.0.0.1:\d+ ended .*: connection lost; requests: 1, .*")
        client.communicate("")
