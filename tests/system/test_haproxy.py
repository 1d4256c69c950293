"""HAProxy of Debian 12 and 13 checks calcd's health, by its own check for Redis and by a dialogue, and passes
connections on to it, also with a header that says whose they are."""

import contextlib
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from support.daemon import Calcd
from support.processes import wait_for
from support.resp import array
from system.debian_clients import FOLDER, inside_with_folder
from system.haproxy import server_rows
from system.machine import SUITES

REDIS_CHECK = "option redis-check"
TCP_CHECK = r"""
    option tcp-check
    tcp-check connect default
    tcp-check send PING\r\n
    tcp-check expect string +PONG
    tcp-check send ADD\ 2\ 3\r\n
    tcp-check expect string :5
    tcp-check send QUIT\r\n
    tcp-check expect string +OK
"""
PLAIN_CHECK = ""  # a connection, and no more
CONFIG = """
global
    stats socket {folder}/stats
defaults
    mode tcp
    timeout connect 10s
    timeout client 10s
    timeout server 10s
    timeout check 10s
frontend calculator
    bind fd@{listening}
    default_backend calcd
backend calcd
    {check}
    server one {server} check inter 50ms {options}
"""
CHECKED = r"check \d+ of the proxy 127.0.0.1:\d+ ended after .*"


class HAProxy:
    """In a with statement; port is that of its frontend, for IPv4 and IPv6."""

    def __init__(self, suite: str, folder: Path, server: str, check: str, options: str) -> None:
        self._listening = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = self._listening.getsockname()[1]
        self._stats = folder / "stats"
        listening = self._listening.fileno()
        config = CONFIG.format(
            folder=FOLDER, listening=listening, check=check, server=server, options=options
        )
        (folder / "haproxy.cfg").write_text(config)
        self._command = inside_with_folder(suite, folder, "haproxy", "-db", "-f", f"{FOLDER}/haproxy.cfg")

    def __enter__(self) -> Self:
        with self._listening:
            self._process = subprocess.Popen(self._command, pass_fds=[self._listening.fileno()])
        wait_for(lambda: self._stats.exists() or self._process.poll() is not None, "HAProxy's start")
        assert self._process.poll() is None
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def state(self) -> dict[str, str]:
        """What it knows of the server, without a check that is under way."""
        (state,) = server_rows(self._stats)
        return {**state, "check_status": state["check_status"].removeprefix("* ")}


@pytest.fixture
def calcd(tmp_path: Path) -> Iterator[Calcd]:
    folder = tmp_path / "calcd"
    folder.mkdir()
    calcd = Calcd(folder)
    calcd.config.write_text("[calcd]\nLogConnections=errors\n")
    with calcd:
        yield calcd
    assert not [line for line in calcd.log() if line.startswith("connection")]


@contextlib.contextmanager
def haproxy(suite: str, tmp_path: Path, server: str, check: str, options: str = "") -> Iterator[HAProxy]:
    folder = tmp_path / "haproxy"
    folder.mkdir()
    with HAProxy(suite, folder, server, check, options) as running:
        yield running


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize(
    ("check", "result"),
    [(REDIS_CHECK, "L7OK"), (TCP_CHECK, "L7OK"), (PLAIN_CHECK, "L4OK")],
    ids=["redis-check", "tcp-check", "check"],
)
def test_haproxy_finds_calcd_up_and_no_check_is_a_complaint_in_the_log(
    calcd: Calcd, tmp_path: Path, suite: str, check: str, result: str
) -> None:
    host, port = calcd.address
    with haproxy(suite, tmp_path, f"{host}:{port}", check) as proxy:
        wait_for(lambda: proxy.state()["check_status"] == result, f"{result} in {proxy.state()}")
        # Through it, meanwhile more checks are done.
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
                connection.sendall(array("ADD", 2, 3) + b"QUIT\r\n")
                assert connection.makefile("rb").read() == b":5\r\n+OK\r\n"
        state = proxy.state()
        assert (state["status"], state["check_status"], state["chkfail"]) == ("UP", result, "0")
    # And nothing about connections is in the log: the fixture calcd looks.


@pytest.mark.parametrize("suite", SUITES)
def test_haproxy_finds_out_that_calcd_has_stopped(calcd: Calcd, tmp_path: Path, suite: str) -> None:
    host, port = calcd.address
    with haproxy(suite, tmp_path, f"{host}:{port}", REDIS_CHECK) as proxy:
        wait_for(lambda: proxy.state()["check_status"] == "L7OK", "a good check")
        calcd.stop()
        wait_for(lambda: proxy.state()["status"] == "DOWN", "calcd to be found down")
        assert proxy.state()["check_status"] == "L4CON"


# --- With a header


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Calcd]:
    folder = tmp_path / "calcd"
    folder.mkdir()
    calcd = Calcd(folder, listen=["proxied:127.0.0.1:0"])
    calcd.config.write_text("[calcd]\nLogLevel=debug\nMaxConnectionsPerSource=5\nExemptSources=\n")
    calcd.expected += [CHECKED, "handlers copy more memory .*"]
    with calcd:
        yield calcd
    assert not [line for line in calcd.log() if line.startswith("connection") and "from 127.0.0.1:" in line]


def server_of(calcd: Calcd) -> str:
    return calcd.wait_for_log(r"calcd \S+ serves on proxied:(.*)")[0][1]


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize(
    ("check", "header"),
    [
        (REDIS_CHECK, "send-proxy"),
        (TCP_CHECK, "send-proxy-v2"),
        (PLAIN_CHECK, "send-proxy"),
        (PLAIN_CHECK, "send-proxy-v2 proxy-v2-options crc32c,unique-id"),
    ],
    ids=["redis-check, line", "tcp-check, binary", "check, line", "check, binary with more"],
)
def test_the_client_is_whom_haproxy_names_and_checks_are_apart(
    proxied: Calcd, tmp_path: Path, suite: str, check: str, header: str
) -> None:
    with haproxy(suite, tmp_path, server_of(proxied), check, header) as proxy:
        wait_for(lambda: proxy.state()["check_status"] in ("L7OK", "L4OK"), f"a check: {proxy.state()}")
        clients = []
        for source in ("127.0.0.5", "127.0.0.6", "::1"):
            host = "::1" if ":" in source else "127.0.0.1"
            with socket.create_connection((host, proxy.port), source_address=(source, 0)) as connection:
                connection.sendall(array("ADD", 2, 3) + b"QUIT\r\n")
                assert connection.makefile("rb").read() == b":5\r\n+OK\r\n"
                shown = f"[{source}]" if ":" in source else source
                clients.append(f"{shown}:{connection.getsockname()[1]}")
        for client in clients:
            proxied.wait_for_log(rf"connection \d+ from {re.escape(client)} ended .*: quit; requests: 2, .*")
        proxied.wait_for_log(CHECKED, 10)
        state = proxy.state()
        assert (state["status"], state["chkfail"]) == ("UP", "0")


@pytest.mark.parametrize("suite", SUITES)
def test_a_source_that_has_reached_its_limit_does_not_take_the_server_down(
    proxied: Calcd, tmp_path: Path, suite: str
) -> None:
    reached = r"127.0.0.5 has reached MaxConnectionsPerSource=5: .*"
    proxied.expected += [reached, "127.0.0.5 keeps to .*"]
    with (
        haproxy(suite, tmp_path, server_of(proxied), REDIS_CHECK, "send-proxy-v2") as proxy,
        contextlib.ExitStack() as connections,
    ):

        def connect(source: str) -> socket.socket:
            address = "127.0.0.1", proxy.port
            return connections.enter_context(socket.create_connection(address, source_address=(source, 0)))

        for _ in range(5):
            connection = connect("127.0.0.5")
            connection.sendall(b"ADD 2 3\r\n")
            assert connection.recv(4) == b":5\r\n"
        assert connect("127.0.0.5").recv(1) == b""
        proxied.wait_for_log(reached)
        checks = len([line for line in proxied.log() if re.fullmatch(CHECKED, line)])
        proxied.wait_for_log(CHECKED, checks + 5)
        assert proxy.state()["status"] == "UP"
        connection = connect("127.0.0.6")
        connection.sendall(b"ADD 2 3\r\n")
        assert connection.recv(4) == b":5\r\n"


@pytest.mark.parametrize("suite", SUITES)
def test_a_check_of_a_port_of_its_own_says_so_if_it_sends_no_header(
    proxied: Calcd, tmp_path: Path, suite: str
) -> None:
    server = server_of(proxied)
    options = f"port {server.rpartition(':')[2]} send-proxy-v2"
    refused = (
        "connection of the proxy .* closed: it sent no PROXY header; .* and check-send-proxy for checks .*"
    )
    proxied.expected.append(refused)
    with haproxy(suite, tmp_path, server, REDIS_CHECK, options) as proxy:
        wait_for(lambda: proxy.state()["status"] == "DOWN", "calcd to be found down")
    assert proxied.wait_for_log(refused)


@pytest.mark.parametrize("suite", SUITES)
def test_a_check_of_a_port_of_its_own_may_send_the_header_as_well(
    proxied: Calcd, tmp_path: Path, suite: str
) -> None:
    server = server_of(proxied)
    options = f"port {server.rpartition(':')[2]} send-proxy-v2 check-send-proxy"
    with haproxy(suite, tmp_path, server, REDIS_CHECK, options) as proxy:
        wait_for(lambda: proxy.state()["check_status"] == "L7OK", "a good check")
