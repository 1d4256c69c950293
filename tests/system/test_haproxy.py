"""HAProxy of Debian 12 and 13 checks calcd's health, by its own check for Redis and by a dialogue, and passes
connections on to it."""

import contextlib
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
from system.machine import SUITES

REDIS_CHECK = "option redis-check"
TCP_CHECK = r"""
    option tcp-check
    tcp-check connect
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
    server one {server} check inter 50ms
"""


class HAProxy:
    """In a with statement; address is that of its frontend."""

    def __init__(self, suite: str, folder: Path, server: str, check: str) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = self._listening.getsockname()
        self._stats = folder / "stats"
        config = CONFIG.format(folder=FOLDER, listening=self._listening.fileno(), check=check, server=server)
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
        """What it knows of the server: "show stat" in HAProxy's management guide. A check that is under way
        is left out."""
        with socket.socket(socket.AF_UNIX) as stats:
            stats.connect(str(self._stats))
            stats.sendall(b"show stat\n")
            names, *rows = stats.makefile().read().removeprefix("# ").split("\n")
        states = [dict(zip(names.split(","), row.split(","), strict=True)) for row in rows if row]
        (state,) = (state for state in states if state["svname"] == "one")
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
def haproxy(suite: str, tmp_path: Path, server: str, check: str) -> Iterator[HAProxy]:
    folder = tmp_path / "haproxy"
    folder.mkdir()
    with HAProxy(suite, folder, server, check) as running:
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
            with socket.create_connection(proxy.address) as connection:
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
