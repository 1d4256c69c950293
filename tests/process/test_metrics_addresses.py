"""Scrapes at an address of calcd's own: Listen=metrics:ADDRESS, where no systemd passes a socket."""

import contextlib
import os
import re
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.addresses import accepts, own_address
from support.daemon import TREE, Calcd, ask
from support.processes import DEADLINE, wait_for
from support.scraped import GET, PassedScraped, Scraped, response

from calcd.protocol.classic import Operation

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

ADD = Operation.ADD
CLIENTS, METRICS = "127.0.0.1:0", "metrics:127.0.0.1:0"
REFUSED = "reload failed, the old settings stay in force: "


def configured(folder: Path, listen: str, settings: str = "") -> Scraped:
    """Its addresses are in the file, and not options."""
    calcd = Scraped(folder, listen=())
    write(calcd, listen, settings)
    return calcd


def write(calcd: Calcd, listen: str, settings: str = "") -> None:
    calcd.config.write_text(f"[calcd]\nListen={listen}\n{settings}\n")


def scrape_file(path: Path) -> int:
    """The status of a scrape at a Unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE)
        connection.connect(str(path))
        connection.sendall(GET)
        return response(connection)[0]


@pytest.mark.parametrize("listen", [(CLIENTS, METRICS), (METRICS, CLIENTS)], ids=["behind", "in front"])
def test_a_scrape_gets_the_metrics_and_a_client_its_answer(folder: Path, listen: Sequence[str]) -> None:
    with Scraped(folder, listen=listen) as calcd:
        clients, metrics = calcd.address[1], calcd.metrics_address[1]
        calcd.wait_for_log(rf"calcd \S+ serves on 127\.0\.0\.1:{clients}, metrics:127\.0\.0\.1:{metrics}")
        with calcd.connect() as connection:
            assert ask(connection, ADD, 2, 3) == 5
            for _ in range(3):
                wait_for(lambda: calcd.metrics()["calcd_connections"] == 1, "the one that is one")
        assert calcd.metrics()["calcd_connections_opened_total"] == 1
        assert calcd.info()["tcp_port"] == str(clients)


def test_nobody_is_served_there_and_no_scrape_is_answered_elsewhere(folder: Path) -> None:
    with Scraped(folder, listen=(CLIENTS, METRICS)) as calcd:
        assert calcd.scrape(b"PING\r\n\r\n")[0] == 400
        assert calcd.scrape(b"\0" * 12 + b"\n\n")[0] == 400
        calcd.expected.append(".* looks like HTTP")
        with calcd.connect() as connection:
            connection.sendall(GET)
            assert not connection.recv(4096).startswith(b"HTTP/")
        calcd.wait_for_log(".* looks like HTTP")


def test_it_may_be_an_address_of_any_kind(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    with Scraped(folder, listen=(CLIENTS, "metrics:[::1]:0", f"metrics:unix:{path}")) as calcd:
        assert calcd.metrics_address[0] == "::1"
        assert (calcd.scrape()[0], scrape_file(path)) == (200, 200)
    assert not path.exists()


def test_it_may_be_beside_one_that_is_passed(folder: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as passed,
        PassedScraped(folder, passed, listen=(CLIENTS, METRICS)) as calcd,
    ):
        port = passed.getsockname()[1]
        (own,) = calcd.wait_for_log(rf".*, metrics:127\.0\.0\.1:{port}, metrics:127\.0\.0\.1:(\d+)")
        for _ in range(2):
            for each in (port, int(own[1])):
                assert calcd.scrape(address=("127.0.0.1", each))[0] == 200
            assert calcd.reload().returncode == 0


def test_where_clients_have_a_socket_that_is_passed_it_is_not_opened(folder: Path) -> None:
    """As no address of Listen= is: the unit's sandbox would not let it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as metrics,
        socket.create_server(("127.0.0.1", 0)) as clients,
        PassedScraped(folder, metrics, clients, listen=(METRICS,)) as calcd,
    ):
        passed = [each.getsockname()[1] for each in (clients, metrics)]
        calcd.wait_for_log(r"calcd \S+ serves on 127\.0\.0\.1:{}, metrics:127\.0\.0\.1:{}".format(*passed))
        assert calcd.scrape()[0] == 200


def test_calcd_is_scraped_when_it_is_full(folder: Path) -> None:
    calcd = configured(folder, f"{CLIENTS} {METRICS}", "MaxConnections=1")
    calcd.expected.append(".*MaxConnections=1.*")
    with calcd, calcd.connect() as connection:
        assert ask(connection, ADD, 2, 3) == 5
        wait_for(lambda: calcd.metrics()["calcd_connections"] == 1, "the only place to be taken")


def test_calcd_is_scraped_while_it_stops_and_no_client_is_let_in(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    calcd = configured(folder, f"{CLIENTS} {METRICS} metrics:unix:{path}", "DrainTime=2min")
    with calcd, calcd.connect() as connection:
        assert ask(connection, ADD, 2, 3) == 5
        (handler,) = calcd.handlers
        os.kill(handler.pid, signal.SIGSTOP)
        calcd.signal(signal.SIGTERM)
        calcd.wait_for_log("stopping: .*")
        wait_for(lambda: not accepts(calcd.address), "clients to be refused")
        for _ in range(10):
            wait_for(lambda: calcd.metrics()["calcd_connections"] == 1, "the connection")
            assert scrape_file(path) == 200
        os.kill(handler.pid, signal.SIGCONT)
    assert not path.exists()
    assert not accepts(calcd.metrics_address)


def test_a_listener_that_dies_takes_no_address_along(folder: Path) -> None:
    with Scraped(folder, listen=(CLIENTS, METRICS)) as calcd:
        calcd.expected.append(r"the listener \d+ died.*")
        os.kill(calcd.listener.pid, signal.SIGKILL)
        wait_for(lambda: calcd.metrics()["calcd_listeners_lost_total"] == 1, "a listener that was replaced")


def test_the_probe_of_a_container_is_good_as_long_as_calcd_is_there(folder: Path) -> None:
    quadlet = (TREE / "packaging" / "container" / "calcd.container").read_text()
    (probe,) = re.findall(r"(?m)^HealthCmd=(.*)", quadlet)
    with Scraped(folder, listen=(CLIENTS, METRICS)) as calcd:
        command = ["sh", "-c", probe.replace("7079", str(calcd.metrics_address[1]))]
        assert subprocess.run(command, check=False).returncode == 0
    assert subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 1


# --- Reloads


def test_a_reload_opens_it_and_gives_it_up(folder: Path, tmp_path: Path) -> None:
    """Also where a connection of before goes on, whose listener had that address: it is free at once."""
    address, path = (own_address(), 7079), tmp_path / "metrics"
    with configured(folder, CLIENTS) as calcd, contextlib.ExitStack() as connections:
        for number in range(1, 4):
            write(calcd, "{} metrics:{}:{} metrics:unix:{}".format(CLIENTS, *address, path))
            assert calcd.reload().returncode == 0
            assert (calcd.metrics_address, calcd.scrape()[0], scrape_file(path)) == (address, 200, 200)
            connection = connections.enter_context(calcd.connect())
            assert ask(connection, ADD, 1, 2) == 3
            write(calcd, CLIENTS)
            assert calcd.reload().returncode == 0
            assert not accepts(address)
            assert not path.exists()
            assert ask(connection, ADD, 2, 3) == 5
            assert len(calcd.listeners) == number + 1


def test_no_scrape_is_lost_by_reloads_that_keep_it(folder: Path) -> None:
    with configured(folder, f"{CLIENTS} {METRICS}") as calcd:
        address = calcd.metrics_address
        for limit in range(5, 10):
            write(calcd, f"{CLIENTS} {METRICS}", f"MaxConnections={limit}")
            assert calcd.reload().returncode == 0
            assert calcd.metrics_address == address
            assert calcd.metrics()["calcd_connections_limit"] == limit


def test_one_that_cannot_be_had_keeps_the_old_settings(folder: Path) -> None:
    with configured(folder, CLIENTS) as calcd, socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"metrics:127.0.0.1:{taken.getsockname()[1]}"
        calcd.expected.append(f"{REFUSED}cannot listen on {address}: .* does; .*")
        write(calcd, f"{CLIENTS} {METRICS} {address}")
        result = calcd.reload()
        assert (result.returncode, f"cannot listen on {address}: " in result.stderr) == (69, True)
        with calcd.connect() as connection:
            assert ask(connection, ADD, 1, 2) == 3


# --- What makes no sense


def test_metrics_of_a_calcd_that_serves_nobody_are_refused(folder: Path) -> None:
    calcd = configured(folder, METRICS)
    assert calcd.start().returncode == os.EX_CONFIG
    assert calcd.log() == [
        f"calcd: nowhere to listen for clients: {METRICS} serves none; give an address with Listen= or "
        "--listen, such as 127.0.0.1:7070"
    ]


@pytest.mark.parametrize("other", ["", "proxied:"])
@pytest.mark.parametrize("place", ["{host}:7070", "unix:{path}"])
def test_one_address_for_both_is_refused(folder: Path, tmp_path: Path, other: str, place: str) -> None:
    address = place.format(host=own_address(), path=tmp_path / "socket")
    both = f"{other}{address} metrics:{address}"
    why = (
        f"cannot listen on {other}{address}: Listen= or --listen has it as metrics:{address} as well; give "
        "each an address or a port of its own"
    )
    calcd = configured(folder, both)
    assert calcd.start().returncode == os.EX_CONFIG
    assert calcd.log() == [f"calcd: {why}"]
    calcd.log_file.write_text("")
    write(calcd, f"{other}{address}")
    with calcd:
        calcd.expected.append(REFUSED + why)
        write(calcd, both)
        assert calcd.reload().returncode == os.EX_CONFIG


def test_an_address_that_another_includes_is_refused(folder: Path) -> None:
    with configured(folder, "0.0.0.0:0") as calcd:
        address = f"metrics:127.0.0.1:{calcd.address[1]}"
        why = f"{REFUSED}cannot listen on {address}: another address of Listen= includes it"
        calcd.expected.append(why)
        write(calcd, f"0.0.0.0:0 {address}")
        assert calcd.reload().returncode == os.EX_CONFIG
        calcd.wait_for_log(why)


def test_a_reload_cannot_make_an_address_for_clients_one_for_metrics(folder: Path) -> None:
    address = f"{own_address()}:7070"
    with configured(folder, f"{CLIENTS} {address}") as calcd:
        why = f"cannot listen on metrics:{address}: it is open as {address}, and a reload cannot change .*"
        calcd.expected.append(REFUSED + why)
        write(calcd, f"{CLIENTS} metrics:{address}")
        assert calcd.reload().returncode == os.EX_CONFIG
        calcd.wait_for_log(REFUSED + why)
