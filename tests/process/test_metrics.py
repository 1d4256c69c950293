"""Scrapes: a socket named metrics, which somebody passes to calcd, answers HTTP requests for the metrics."""

import contextlib
import http.client
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import ask
from support.processes import DEADLINE, wait_for
from support.scraped import GET, PassedScraped, Scraped, response

from calcd.protocol.classic import Operation

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")


@pytest.fixture
def metrics() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        yield passed


def test_a_scrape_gets_the_metrics(folder: Path, metrics: socket.socket) -> None:
    with PassedScraped(folder, metrics) as calcd:
        status, head, body = calcd.scrape()
        assert status == 200
        assert "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n" in head
        assert "\r\nConnection: close" in head
        assert f"\r\nContent-Length: {len(body)}\r\n" in head
        assert "# TYPE calcd_connections gauge\ncalcd_connections 0\n" in body
        assert calcd.scrape(GET.replace(b"GET", b"HEAD"))[::2] == (200, "")
        client = http.client.HTTPConnection("127.0.0.1", calcd.metrics_address[1], timeout=DEADLINE)
        client.request("GET", "/metrics")
        assert client.getresponse().read().decode().startswith("# HELP calcd_build_info ")
        client.close()


def test_a_scrape_is_no_connection(folder: Path, metrics: socket.socket) -> None:
    with PassedScraped(folder, metrics) as calcd:
        for _ in range(20):
            assert calcd.scrape()[0] == 200
        with calcd.connect() as connection:
            assert ask(connection, Operation.ADD, 2, 3) == 5
            wait_for(lambda: calcd.metrics()["calcd_connections"] == 1, "the one that is one")
        assert calcd.metrics()["calcd_connections_opened_total"] == 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"PING\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\n" + b"a" * 5000, 431),
    ],
    ids=("elsewhere", "POST", "RESP", "too large"),
)
def test_another_request_gets_the_status_that_fits(
    folder: Path, metrics: socket.socket, request_: bytes, status: int
) -> None:
    with PassedScraped(folder, metrics) as calcd:
        assert calcd.scrape(request_)[0] == status
        assert calcd.scrape()[0] == 200


def test_who_sends_nothing_is_cut_off_and_keeps_nobody_waiting_for_long(
    folder: Path, metrics: socket.socket
) -> None:
    with PassedScraped(folder, metrics) as calcd, contextlib.ExitStack() as silent:
        for _ in range(10):
            connection = socket.create_connection(calcd.metrics_address, timeout=DEADLINE)
            silent.enter_context(connection)
        # Behind all of them, of whom four at a time have a process.
        began = time.monotonic()
        assert calcd.scrape()[0] == 200
        assert time.monotonic() - began > 5
        assert connection.recv(1) == b""
        with calcd.connect() as client:
            assert ask(client, Operation.ADD, 2, 3) == 5


def scraping(calcd: Scraped) -> int:
    """How many processes answer scrapes."""
    children = calcd.listener.children()
    return sum(child.belongs(lambda p: p.title == "calcd: answering a scrape") for child in children)


def test_there_are_four_processes_at_most(folder: Path, metrics: socket.socket) -> None:
    with PassedScraped(folder, metrics) as calcd, contextlib.ExitStack() as silent:
        for _ in range(20):
            silent.enter_context(socket.create_connection(calcd.metrics_address))
        wait_for(lambda: scraping(calcd) == 4, "four processes")
        for _ in range(20):
            assert scraping(calcd) <= 4


def test_calcd_is_scraped_when_it_is_full(folder: Path, metrics: socket.socket) -> None:
    calcd = PassedScraped(folder, metrics)
    calcd.config.write_text("[calcd]\nMaxConnections=1\n")
    calcd.expected += [".*MaxConnections=1.*"]
    with calcd, calcd.connect() as connection:
        assert ask(connection, Operation.ADD, 2, 3) == 5
        wait_for(lambda: calcd.metrics()["calcd_connections"] == 1, "the only place to be taken")
        assert calcd.metrics()["calcd_connections_limit"] == 1


def test_calcd_is_scraped_while_it_stops(folder: Path, metrics: socket.socket) -> None:
    calcd = PassedScraped(folder, metrics)
    calcd.config.write_text("[calcd]\nDrainTime=2min\n")
    with calcd, calcd.connect() as connection:
        assert ask(connection, Operation.ADD, 2, 3) == 5
        (handler,) = calcd.handlers
        os.kill(handler.pid, signal.SIGSTOP)
        calcd.signal(signal.SIGTERM)
        calcd.wait_for_log("stopping: .*")
        wait_for(lambda: calcd.metrics()["calcd_connections"] == 1, "the connection")
        for _ in range(10):
            assert calcd.metrics()["calcd_connections"] == 1
        os.kill(handler.pid, signal.SIGCONT)


def test_who_connects_and_sends_nothing_does_not_hold_up_a_stop(folder: Path, metrics: socket.socket) -> None:
    """Else the drain time would be over, and its end is a line in the log."""
    calcd = PassedScraped(folder, metrics)
    calcd.config.write_text("[calcd]\nDrainTime=3s\n")
    with calcd, socket.create_connection(calcd.metrics_address, timeout=DEADLINE):
        wait_for(lambda: scraping(calcd) == 1, "a process that waits for the request")
        calcd.stop()


def test_no_scrape_is_lost_by_reloads_and_by_a_listener_that_dies(
    folder: Path, metrics: socket.socket
) -> None:
    with PassedScraped(folder, metrics) as calcd:
        for limit in range(5, 10):
            calcd.config.write_text(f"[calcd]\nMaxConnections={limit}\n")
            assert calcd.reload().returncode == 0
            for _ in range(5):
                assert calcd.metrics()["calcd_connections_limit"] == limit
        calcd.expected += [r"the listener \d+ died.*"]
        os.kill(calcd.listener.pid, signal.SIGKILL)
        wait_for(lambda: calcd.metrics()["calcd_listeners_lost_total"] == 1, "a listener that was replaced")


def test_who_waits_while_calcd_is_restarted_is_answered_by_the_next(
    folder: Path, metrics: socket.socket
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as clients:
        for _ in range(2):
            with PassedScraped(folder, metrics, clients) as calcd:
                calcd.stop()
                waiting = socket.create_connection(calcd.metrics_address, timeout=DEADLINE)
                waiting.sendall(GET)
            with PassedScraped(folder, metrics, clients), waiting:
                assert response(waiting)[0] == 200


def test_it_serves_nobody_where_scrapes_are_answered_alone(folder: Path, metrics: socket.socket) -> None:
    """A socket for scrapes is none for clients: calcd opens those of Listen= itself."""
    with PassedScraped(folder, metrics) as calcd:
        (serves,) = calcd.wait_for_log(r"calcd \S+ serves on (.*)")
        clients = calcd.address[1]
        assert serves[1] == f"127.0.0.1:{clients}, metrics:127.0.0.1:{metrics.getsockname()[1]}"
        assert calcd.scrape(b"\0" * 12 + b"\n\n")[0] == 400
