"""The configuration of HAProxy that is among the examples: HAProxy of Debian 12 and 13 loads it, and it does
what docs/scaling.md says."""

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from support.daemon import TREE, Calcd
from support.processes import DEADLINE, wait_for
from support.resp import array
from system.debian_clients import FOLDER, inside_with_folder
from system.machine import SUITES

EXAMPLE = (TREE / "packaging/examples/haproxy/haproxy.cfg").read_text()
NAME = "calc.example.org"
# On a busy machine, all takes longer.
PATIENT = {"timeout connect 500ms": "timeout connect 20s", "timeout check 500ms": "timeout check 20s"}
MOST_OF_A_SOURCE = 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What HAProxy sees as FOLDER, with a certificate."""
    folder = tmp_path / "haproxy"
    folder.mkdir()
    certificate, key = folder / "certificate", folder / "key"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                f"/CN={NAME}",
            ),
            *("-addext", f"subjectAltName=DNS:{NAME}", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "calcd.pem").write_text(certificate.read_text() + key.read_text())
    return folder


def configure(folder: Path, changes: dict[str, str]) -> None:
    config = EXAMPLE
    for old, new in changes.items():
        assert old in config
        config = config.replace(old, new)
    (folder / "haproxy.cfg").write_text(config)


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
        self.folder = folder
        self._listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        plain, tls = self._listening
        one, two = (":".join(map(str, server.address)) for server in servers)
        changes = {
            "chroot /var/lib/haproxy\n": "\n",
            "/run/haproxy/admin.sock": f"{FOLDER}/stats",
            "/var/lib/haproxy/server-state": f"{FOLDER}/server-state",
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
        stats = self.folder / "stats"
        wait_for(lambda: stats.exists() or self._process.poll() is not None, "HAProxy's start")
        assert self._process.poll() is None
        wait_for(lambda: set(self.states()) <= {"UP", "DRAIN"}, "two good checks")
        return self

    def __exit__(self, *_: object) -> None:
        # No check is cut short, which calcd would rightly complain of.
        for server in ("m1", "m2"):
            self.order(f"disable health calculators/{server}")
        wait_for(
            lambda: not any("* " in row["check_status"] for row in self.servers()), "the last check's end"
        )
        self._process.kill()
        self._process.wait()

    def order(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as stats:
            stats.connect(str(self.folder / "stats"))
            stats.sendall(f"{command}\n".encode())
            return stats.makefile().read()

    def servers(self) -> list[dict[str, str]]:
        """What it knows of m1 and m2: "show stat" in HAProxy's management guide."""
        names, *rows = self.order("show stat").removeprefix("# ").split("\n")
        found = [dict(zip(names.split(","), row.split(","), strict=True)) for row in rows if row]
        return [row for row in found if row["svname"] in ("m1", "m2")]

    def states(self) -> list[str]:
        """Of both servers, once a check has said so."""
        return [
            row["status"] if "L7OK" in row["check_status"] else row["check_status"] for row in self.servers()
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


class Clients:
    """They make a connection for each request, in a with statement, until its end."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]
        self.outcomes: list[bool] = []

    def _ask(self) -> None:
        while not self._is_over.is_set():
            with self._proxy.connect() as connection:
                self.outcomes.append(answers(connection))
            self._is_over.wait(0.05)  # so that four stay below the limit of their source

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def wait_for_answers(self) -> None:
        before = len(self.outcomes)
        wait_for(lambda: len(self.outcomes) > before + 20, "more answers")


@pytest.mark.parametrize("suite", SUITES)
def test_a_reload_and_a_stop_behind_a_drain_lose_nobody(
    folder: Path, servers: list[Calcd], suite: str
) -> None:
    one, two = servers
    with Proxy(suite, folder, servers) as proxy, Clients(proxy) as clients:
        clients.wait_for_answers()
        assert two.reload().returncode == 0
        clients.wait_for_answers()
        proxy.order("set server calculators/m1 state drain")
        wait_for(lambda: proxy.servers()[0]["scur"] == "0", "the last connection of the one that is drained")
        one.stop()
        clients.wait_for_answers()
    assert all(clients.outcomes)


@pytest.mark.parametrize("suite", SUITES)
def test_what_is_drained_stays_so_over_a_reload_of_haproxy(
    folder: Path, servers: list[Calcd], suite: str
) -> None:
    with Proxy(suite, folder, servers) as proxy:
        proxy.order("set server calculators/m1 state drain")
        (folder / "server-state").write_text(proxy.order("show servers state"))
    (folder / "stats").unlink()
    with Proxy(suite, folder, servers) as proxy:
        assert proxy.servers()[0]["status"] == "DRAIN"


@pytest.mark.parametrize("suite", SUITES)
def test_a_source_has_its_limit_for_both_servers_together(
    folder: Path, servers: list[Calcd], suite: str
) -> None:
    with Proxy(suite, folder, servers) as proxy, contextlib.ExitStack() as open_ones:
        for _ in range(MOST_OF_A_SOURCE):
            assert answers(open_ones.enter_context(proxy.connect()))
        with contextlib.suppress(ConnectionError), proxy.connect() as one_more:
            assert not answers(one_more)
