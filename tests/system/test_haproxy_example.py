"""The configuration of HAProxy that is among the examples: HAProxy of Debian 12 and 13 loads it, and it does
what docs/scaling.md says. test_one_of_two_goes_away.py has it between machines."""

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from support.daemon import Calcd
from support.processes import DEADLINE, wait_for
from support.resp import array
from system.debian_clients import FOLDER, inside_with_folder
from system.haproxy import NAME, example, make_certificate, order, server_rows
from system.machine import SUITES

# On a busy machine, all takes longer.
PATIENT = {"timeout connect 500ms": "timeout connect 20s", "timeout check 500ms": "timeout check 20s"}
MOST_OF_A_SOURCE = 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What HAProxy sees as FOLDER, with a certificate."""
    folder = tmp_path / "haproxy"
    folder.mkdir()
    make_certificate(folder)
    return folder


def configure(folder: Path, changes: dict[str, str]) -> None:
    (folder / "haproxy.cfg").write_text(example(changes))


@pytest.mark.parametrize("suite", SUITES)
def test_it_is_loaded(folder: Path, suite: str) -> None:
    configure(folder, {"/etc/haproxy/calcd.pem": f"{FOLDER}/calcd.pem"})
    command = inside_with_folder(suite, folder, "haproxy", "-c", "-f", f"{FOLDER}/haproxy.cfg")
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    complaints = [line for line in checked.stderr.splitlines() if line.startswith(("[WARNING]", "[ALERT]"))]
    # Until HAProxy was reloaded once.
    assert [line for line in complaints if "Can't open global server state file" not in line] == []


class Proxy:
    """HAProxy with the example's configuration, in a with statement."""

    def __init__(self, suite: str, folder: Path, servers: list[Calcd]) -> None:
        self._stats = folder / "stats"
        self._listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        plain, tls = self._listening
        one, two = (":".join(map(str, server.address)) for server in servers)
        changes = {
            "chroot /var/lib/haproxy\n": "\n",
            "/run/haproxy/admin.sock": f"{FOLDER}/stats",
            "bind 192.0.2.10:7070": f"bind fd@{plain.fileno()}",
            "bind 192.0.2.10:7443": f"bind fd@{tls.fileno()}",
            "/etc/haproxy/calcd.pem": f"{FOLDER}/calcd.pem",
            "192.0.2.11:7070": one,
            "192.0.2.12:7070": two,
            **PATIENT,
        }
        configure(folder, changes)
        self.plain, self.tls = plain.getsockname(), tls.getsockname()
        self._command = inside_with_folder(suite, folder, "haproxy", "-db", "-f", f"{FOLDER}/haproxy.cfg")

    def __enter__(self) -> Self:
        files = [each.fileno() for each in self._listening]
        self._process = subprocess.Popen(self._command, pass_fds=files)
        for each in self._listening:
            each.close()
        wait_for(lambda: self._stats.exists() or self._process.poll() is not None, "HAProxy's start")
        assert self._process.poll() is None
        wait_for(lambda: self.states() == ["UP", "UP"], "two good checks")
        return self

    def __exit__(self, *_: object) -> None:
        # No check is cut short, which calcd would rightly complain of.
        for server in ("m1", "m2"):
            order(self._stats, f"disable health calculators/{server}")
        wait_for(
            lambda: not any("* " in row["check_status"] for row in server_rows(self._stats)),
            "the last check's end",
        )
        self._process.kill()
        self._process.wait()

    def states(self) -> list[str]:
        """Of both servers, once a check has said so."""
        return [
            row["status"] if "L7OK" in row["check_status"] else row["check_status"]
            for row in server_rows(self._stats)
        ]

    def connect(self) -> socket.socket:
        return socket.create_connection(self.plain, timeout=DEADLINE)


def answers(connection: socket.socket) -> bool:
    connection.sendall(array("ADD", 2, 3))
    with contextlib.suppress(ConnectionError):
        return connection.recv(16) == b":5\r\n"
    return False


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Calcd]]:
    """They log what goes wrong, and the fixture finds nothing of checks in it."""
    with contextlib.ExitStack() as running:
        both = []
        for name in ("m1", "m2"):
            (tmp_path / name).mkdir()
            calcd = Calcd(tmp_path / name)
            calcd.config.write_text("[calcd]\nLogConnections=errors\n")
            both.append(running.enter_context(calcd))
        yield both


@pytest.mark.parametrize("suite", SUITES)
def test_who_speaks_tls_and_who_does_not_is_answered_whichever_server_is_away(
    folder: Path, servers: list[Calcd], suite: str
) -> None:
    trust = ssl.create_default_context(cafile=str(folder / "certificate"))
    with Proxy(suite, folder, servers) as proxy:
        with (
            socket.create_connection(proxy.tls, timeout=DEADLINE) as connection,
            trust.wrap_socket(connection, server_hostname=NAME) as encrypted,
        ):
            assert answers(encrypted)
        servers[0].stop()
        for _ in range(20):
            with proxy.connect() as connection:
                assert answers(connection)
        wait_for(lambda: proxy.states()[1] == "UP" and proxy.states()[0] != "UP", "the end of one to be seen")


@pytest.mark.parametrize("suite", SUITES)
def test_a_source_has_its_limit_for_both_servers_together(
    folder: Path, servers: list[Calcd], suite: str
) -> None:
    with Proxy(suite, folder, servers) as proxy, contextlib.ExitStack() as open_ones:
        for _ in range(MOST_OF_A_SOURCE):
            assert answers(open_ones.enter_context(proxy.connect()))
        with contextlib.suppress(ConnectionError), proxy.connect() as one_more:
            assert not answers(one_more)
