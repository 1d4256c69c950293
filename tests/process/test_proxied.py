"""Connections that come by a proxy, which says in a header who its client is."""

import contextlib
import os
import re
import select
import signal
import socket
import struct
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from support.addresses import is_read, own_address
from support.daemon import Calcd, ask, receive
from support.processes import DEADLINE, wait_for
from support.resp import until_end

from calcd.protocol.classic import Operation, encode_request

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

ADD = Operation.ADD
QUESTION = encode_request(ADD, 20, 22)
CLIENT = "192.0.2.1:1234"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"
REFUSED = r"connection of the proxy (\S+) closed: (.*); what came first is (.*?)\. [A-Z].*"
UNTRUSTED = (
    r"somebody at (\S+) connects to the proxied socket and is not in (ProxySources=.*?): closed at once\. .*"
)
UNTRUSTED_GONE = (
    r"nobody at \S+ who is not in ProxySources=\S+ connects to the proxied socket any more, after \d+ s: "
    r"connections closed: (\d+)"
)
CHECKED = r"check \d+ of the proxy (\S+) ended after [\d.]+ s: (.*?); requests: (\d+), .*"


def line(client: str = CLIENT, family: str = "TCP4", server: str = "192.0.2.9") -> bytes:
    """A header of version 1."""
    host, _, port = client.rpartition(":")
    return f"PROXY {family} {host} {server} {port} 7070\r\n".encode()


def binary(client: str = CLIENT) -> bytes:
    """One of version 2."""
    host, _, port = client.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    packed = socket.inet_pton(family, host)
    addresses = packed + packed + struct.pack(">HH", int(port), 7070)
    kind = b"\x21" if family == socket.AF_INET6 else b"\x11"
    return SIGNATURE + b"\x21" + kind + struct.pack(">H", len(addresses)) + addresses


class Proxied(Calcd):
    """A calcd with a proxied socket, where connect() leads, and a plain one."""

    def __init__(self, folder: Path, settings: str = "", listen: Sequence[str] = ("127.0.0.1:0",)) -> None:
        super().__init__(folder, listen=("proxied:127.0.0.1:0", *listen))
        self.config.write_text(f"[calcd]\n{settings}\n")

    @property
    def address(self) -> tuple[str, int]:
        started = self.wait_for_log(r"calcd \S+ serves on proxied:([\d.]+):(\d+).*")[-1]
        return started[1], int(started[2])

    @property
    def plain_address(self) -> tuple[str, int]:
        started = self.wait_for_log(r"calcd \S+ serves on .*?, ([\d.]+):(\d+).*")[-1]
        return started[1], int(started[2])


@pytest.fixture
def calcd(folder: Path) -> Iterator[Proxied]:
    with Proxied(folder) as calcd:
        yield calcd


def name_of(connection: socket.socket) -> str:
    return "{}:{}".format(*connection.getsockname())


def is_closed(connection: socket.socket) -> bool:
    """Without a byte."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


# --- Who the client is


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (line(), CLIENT),
        (binary(), CLIENT),
        (line("2001:db8::1:1234", "TCP6", "::1"), "[2001:db8::1]:1234"),
        (binary("2001:db8::1:1234"), "[2001:db8::1]:1234"),
        (line("::ffff:192.0.2.1:1234", "TCP6", "::1"), CLIENT),
        (binary("::ffff:192.0.2.1:1234"), CLIENT),
    ],
    ids=["line", "binary", "line, IPv6", "binary, IPv6", "line, mapped", "binary, mapped"],
)
def test_log_ps_and_the_client_itself_see_the_client_that_the_header_names(
    calcd: Proxied, header: bytes, client: str
) -> None:
    with calcd.connect() as connection:
        connection.sendall(header + b"CLIENT INFO\r\n")
        assert f" addr={client} ".encode() in connection.recv(4096)
        assert [process.title for process in calcd.handlers] == [f"calcd: serving {client}"]
    calcd.wait_for_log(rf"connection 1 from {re.escape(client)} opened, handler \d+")
    calcd.wait_for_log(rf"connection 1 from {re.escape(client)} ended after .*")


@pytest.mark.parametrize("header", [line(), binary(), LOCAL], ids=["line", "binary", "local"])
def test_both_protocols_are_spoken_behind_the_header_in_its_segment_or_later(
    calcd: Proxied, header: bytes
) -> None:
    for before, behind in ((header[:7], header[7:] + QUESTION), (header, QUESTION), (header + QUESTION, b"")):
        with calcd.connect() as connection:
            connection.sendall(before)
            wait_for(lambda: is_read(connection), "the handler to have read that")
            connection.sendall(behind)
            assert receive(connection, 1) == (42,)
    with calcd.connect() as connection:
        connection.sendall(header + b"ADD 20 22\r\nQUIT\r\n")
        assert until_end(connection) == b":42\r\n+OK\r\n"


def test_a_header_may_come_byte_by_byte(calcd: Proxied) -> None:
    for header in (line(), binary()):
        with calcd.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in header + QUESTION:
                connection.sendall(bytes((byte,)))
            assert receive(connection, 1) == (42,)


def test_a_plain_socket_beside_takes_a_header_for_a_strangers(calcd: Proxied) -> None:
    calcd.expected.append(".* looks like a proxy's PROXY header")
    for header in (line(), binary(), LOCAL):
        with socket.create_connection(calcd.plain_address) as connection:
            connection.sendall(header + b"ADD 20 22\r\n")
            assert until_end(connection, may_be_reset=True) == b""
    calcd.wait_for_log(".* looks like a proxy's PROXY header", 3)
    with socket.create_connection(calcd.plain_address) as connection:
        assert ask(connection, ADD, 20, 22) == 42


def test_who_may_connect_to_a_proxied_unix_socket_is_believed(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with (
        Proxied(folder, "ProxySources=", [f"proxied:unix:{path}"]) as calcd,
        socket.socket(socket.AF_UNIX) as connection,
    ):
        connection.connect(str(path))
        connection.sendall(line() + QUESTION)
        assert receive(connection, 1) == (42,)
        calcd.wait_for_log(rf"connection 1 from {CLIENT} opened, .*")


# --- Who is not believed, and what is no header


@pytest.mark.parametrize(
    ("sent", "reason", "shown"),
    [
        (QUESTION, "it sent no PROXY header", r"00000000 14000000 16000000 \(0, 20, 22\)"),
        (b"PING\r\n", "it sent no PROXY header", r"'PING\r\n'"),
        (line("010.0.2.9:1"), "its line has what is no address or port of its family, .*", ".*010.0.2.9.*"),
        (SIGNATURE + b"\x31\x11\0\x0c", "its header is of another version than 1 and 2", ".*"),
        (SIGNATURE + b"\x21\x21\0\x0c", "its header is too short for its addresses", ".*"),
        (SIGNATURE + b"\x20\0\xff\xff", "its header has more than 4096 bytes", ".*"),
    ],
    ids=["classic", "RESP", "010.0.2.9", "version 3", "too short", "too long"],
)
def test_what_is_no_header_is_refused_with_the_reason_and_nothing_is_answered(
    calcd: Proxied, sent: bytes, reason: str, shown: str
) -> None:
    calcd.expected.append(REFUSED)
    with calcd.connect() as connection:
        connection.sendall(sent)
        assert is_closed(connection)
        (refused,) = calcd.wait_for_log(REFUSED)
        assert refused[1] == name_of(connection)
    assert re.fullmatch(reason, refused[2])
    assert re.fullmatch(shown, refused[3]) or refused[3] == shown
    with calcd.connect() as connection:
        connection.sendall(line() + QUESTION)
        assert receive(connection, 1) == (42,)


def test_a_connection_that_ends_within_its_header_is_refused(calcd: Proxied) -> None:
    calcd.expected.append(REFUSED)
    with calcd.connect() as connection:
        connection.sendall(b"PROXY TCP4 ")
        connection.shutdown(socket.SHUT_WR)
        assert is_closed(connection)
    (refused,) = calcd.wait_for_log(REFUSED)
    assert refused[2] == "it closed the connection within its header"


def test_a_header_that_does_not_come_is_not_waited_for_any_longer(folder: Path) -> None:
    with Proxied(folder, "ProxyTimeout=100ms\nFirstByteTimeout=infinity") as calcd:
        calcd.expected.append(REFUSED)
        for sent in (b"", b"PROXY TCP4 "):
            with calcd.connect() as connection:
                connection.sendall(sent)
                assert is_closed(connection)
        assert {refused[2] for refused in calcd.wait_for_log(REFUSED, 2)} == {
            "ProxyTimeout= was over before its header was there"
        }
        # The limit is for the header alone.
        with calcd.connect() as connection:
            connection.sendall(line())
            connection.settimeout(0.3)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.settimeout(DEADLINE)
            assert ask(connection, ADD, 20, 22) == 42


def test_a_header_that_comes_byte_by_byte_has_no_more_time(folder: Path) -> None:
    header = SIGNATURE + b"\x20\0" + struct.pack(">H", 4000) + bytes(4000)
    with Proxied(folder, "ProxyTimeout=500ms") as calcd, calcd.connect() as connection:
        calcd.expected.append(REFUSED)
        connection.settimeout(0.1)  # to wait for the close between two bytes: all of them take 400 s
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for byte in header:
                connection.sendall(bytes((byte,)))
                with contextlib.suppress(TimeoutError):
                    assert connection.recv(1) == b""
                    break
        (refused,) = calcd.wait_for_log(REFUSED)
        assert refused[2] == "ProxyTimeout= was over before its header was there"


def test_who_is_no_proxy_is_closed_before_a_byte_is_read_and_named_once(folder: Path) -> None:
    with Proxied(folder, "ProxySources=127.0.0.1") as calcd:
        calcd.expected += [UNTRUSTED, UNTRUSTED_GONE, "since .*"]
        for _ in range(20):
            with socket.create_connection(calcd.address, source_address=("127.0.0.2", 0)) as stranger:
                assert is_closed(stranger)
        with calcd.connect() as connection:
            connection.sendall(line() + QUESTION)
            assert receive(connection, 1) == (42,)
        calcd.signal(signal.SIGUSR1)
        calcd.wait_for_log(r"since .*, refused: \d+, limits reached: 1, .*")
        calcd.stop()
        assert [match.groups() for match in calcd.wait_for_log(UNTRUSTED)] == [
            ("127.0.0.2", "ProxySources=127.0.0.1/32")
        ]
        assert [match[1] for match in calcd.wait_for_log(UNTRUSTED_GONE)] == ["20"]


def test_a_reload_changes_who_is_believed(folder: Path) -> None:
    with Proxied(folder, "ProxySources=127.0.0.1") as calcd:
        calcd.config.write_text("[calcd]\nProxySources=127.0.0.2\n")
        assert calcd.reload().returncode == 0
        calcd.expected += [UNTRUSTED, UNTRUSTED_GONE]
        with calcd.connect() as connection:
            assert is_closed(connection)
        with socket.create_connection(calcd.address, source_address=("127.0.0.2", 0)) as connection:
            connection.sendall(line() + QUESTION)
            assert receive(connection, 1) == (42,)


@pytest.mark.parametrize("kinds", [("", "proxied:"), ("proxied:", "")], ids=["begin", "end"])
def test_a_reload_cannot_change_whether_a_header_is_due(folder: Path, kinds: tuple[str, str]) -> None:
    before, after = (f"{kind}{own_address()}:7070" for kind in kinds)
    calcd = Calcd(folder, listen=())
    calcd.config.write_text(f"[calcd]\nListen={before}\n")
    why = (
        f"cannot listen on {after}: it is open as {before}, and a reload cannot change .*; restart calcd, .*"
    )
    calcd.expected.append(f"reload failed, the old settings stay in force: {why}")
    with calcd:
        calcd.config.write_text(f"[calcd]\nListen={after}\n")
        assert calcd.reload().returncode == os.EX_CONFIG
        calcd.wait_for_log(f"reload failed, .*: {why}")


# --- Limits


def test_the_limits_of_a_source_are_for_the_client_and_not_for_the_proxy(folder: Path) -> None:
    reached = r"192.0.2.1 has reached MaxConnectionsPerSource=2: .*"
    with Proxied(folder, "MaxConnectionsPerSource=2\nExemptSources=") as calcd:
        calcd.expected += [reached, "192.0.2.1 keeps to .*"]
        with contextlib.ExitStack() as connections:

            def connect(header: bytes) -> socket.socket:
                connection = connections.enter_context(calcd.connect())
                connection.sendall(header)
                return connection

            for header in [line(), line("192.0.2.1:1235"), line("192.0.2.2:1234"), LOCAL, LOCAL, LOCAL]:
                assert ask(connect(header), ADD, 20, 22) == 42
            assert is_closed(connect(line("192.0.2.1:1236")))
            calcd.wait_for_log(reached)
            assert ask(connect(line("192.0.2.3:1")), ADD, 20, 22) == 42
        calcd.wait_for_log(r"connection \d+ from 192.0.2.1:1235 ended .*")
        calcd.wait_for_log(r"connection \d+ from 192.0.2.1:1234 ended .*")
        with calcd.connect() as connection:
            connection.sendall(line("192.0.2.1:1236"))
            assert ask(connection, ADD, 20, 22) == 42


def test_whoever_waits_for_a_header_has_a_place_of_max_connections(folder: Path) -> None:
    full = r"MaxConnections=2 is reached: .*"
    with Proxied(folder, "MaxConnections=2\nProxyTimeout=1h") as calcd:
        calcd.expected += [full, "MaxConnections=2 is no longer reached, .*"]
        silent = [calcd.connect() for _ in range(2)]
        calcd.wait_for_log(full)
        assert len(calcd.awaiting_headers) == 2
        with calcd.connect() as third:
            third.sendall(line() + QUESTION)
            third.settimeout(0.3)
            with pytest.raises(TimeoutError):
                third.recv(4)
            third.settimeout(DEADLINE)
            silent.pop().close()
            assert receive(third, 1) == (42,)
        silent.pop().close()


def test_a_place_of_max_connections_is_kept_over_a_reload_by_whoever_waits_for_a_header(folder: Path) -> None:
    full = r"MaxConnections=2 is reached: .*"
    with Proxied(folder, "MaxConnections=2\nProxyTimeout=1h") as calcd:
        calcd.expected += [full, "MaxConnections=2 is no longer reached, .*"]
        silent = [calcd.connect() for _ in range(2)]
        wait_for(lambda: len(calcd.awaiting_headers) == 2, "both to wait for their headers")
        for _ in range(2):
            assert calcd.reload().returncode == 0
        with calcd.connect() as third:
            third.sendall(line() + QUESTION)
            third.settimeout(0.3)
            with pytest.raises(TimeoutError):
                third.recv(4)
            for connection in silent:  # they are the two from now on, and not two more
                connection.sendall(line() + QUESTION)
                assert receive(connection, 1) == (42,)
            with pytest.raises(TimeoutError):
                third.recv(4)
            third.settimeout(DEADLINE)
            silent.pop().close()
            assert receive(third, 1) == (42,)
        silent.pop().close()


def test_a_header_that_does_not_come_after_a_reload_leaves_its_place_free(folder: Path) -> None:
    with Proxied(folder, "MaxConnections=1\nProxyTimeout=1h") as calcd:
        calcd.expected += ["MaxConnections=1 is (no longer )?reached.*"]
        with calcd.connect():
            wait_for(lambda: calcd.awaiting_headers, "a handler that waits for a header")
            assert calcd.reload().returncode == 0
        with calcd.connect() as connection:
            connection.sendall(line() + QUESTION)
            assert receive(connection, 1) == (42,)


def test_nobody_waits_for_the_headers_of_others(folder: Path) -> None:
    with Proxied(folder, "ProxyTimeout=1h") as calcd, contextlib.ExitStack() as connections:
        silent = [connections.enter_context(calcd.connect()) for _ in range(30)]
        with calcd.connect() as connection:
            connection.sendall(line() + QUESTION)
            assert receive(connection, 1) == (42,)
        wait_for(lambda: len(calcd.awaiting_headers) == 30, "all handlers to wait")
        for connection in silent:
            connection.sendall(line() + QUESTION)
            assert receive(connection, 1) == (42,)


# --- Checks


def test_checks_are_counted_apart_and_logged_at_debug_alone(folder: Path) -> None:
    with Proxied(folder, "LogLevel=debug") as calcd:
        calcd.expected += [CHECKED, "since .*", "handlers copy more memory .*"]
        proxies = []
        for header in (LOCAL, b"PROXY UNKNOWN\r\n"):
            with calcd.connect() as connection:
                proxies.append(name_of(connection))
                connection.sendall(header + QUESTION)
                assert receive(connection, 1) == (42,)
        with calcd.connect() as connection:  # of HAProxy, in version 1
            proxies.append(name_of(connection))
            connection.sendall(line(proxies[-1]) + QUESTION)
            assert receive(connection, 1) == (42,)
        with calcd.connect() as connection:
            proxies.append(name_of(connection))
        with calcd.connect() as connection:
            proxies.append(name_of(connection))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with calcd.connect() as connection:  # a client on the proxy's machine
            connection.sendall(line("127.0.0.1:1") + QUESTION)
            assert receive(connection, 1) == (42,)
        checks = calcd.wait_for_log(CHECKED, 5)
        assert sorted(check[1] for check in checks) == sorted(proxies)
        assert sorted(check[3] for check in checks) == ["0", "0", "1", "1", "1"]
        calcd.wait_for_log(r"connection \d+ from 127.0.0.1:1 ended .*")
        calcd.signal(signal.SIGUSR1)
        calcd.wait_for_log(
            r"since .*: connections now: 0, served: 1, requests answered: 1, errors: 0, .*, probes: 0, .*, "
            r"checks of proxies: 5, headers of proxies refused: 0"
        )
        assert len([text for text in calcd.log() if re.match(r"connection \d+ from", text)]) == 2


def test_info_and_the_metrics_count_checks_and_refused_headers(calcd: Proxied) -> None:
    calcd.expected.append(REFUSED)
    with calcd.connect() as connection:
        connection.sendall(LOCAL + QUESTION)
        assert receive(connection, 1) == (42,)
    with calcd.connect() as connection:
        connection.sendall(b"PING\r\n")
        assert is_closed(connection)
    calcd.wait_for_log(REFUSED)

    def info() -> bytes:
        with calcd.connect() as connection:
            connection.sendall(line() + b"INFO\r\nQUIT\r\n")
            return until_end(connection)

    wait_for(lambda: b"proxy_checks:1\r\nproxy_headers_refused:1\r\n" in info(), "both counts")


@pytest.mark.parametrize("wanted", ["errors", "none"])
def test_connections_that_the_log_does_not_show_are_counted_for_what_they_are(
    folder: Path, wanted: str
) -> None:
    with Proxied(folder, f"LogConnections={wanted}\nLogLevel=debug") as calcd:
        calcd.expected += ["since .*", "handlers copy more memory .*"]
        for header in [line(), LOCAL] * 5:
            with calcd.connect() as connection:
                connection.sendall(header + QUESTION)
                assert receive(connection, 1) == (42,)
        counts = r"since .*: connections now: 0, served: 5, requests answered: 5, .* checks of proxies: 5, .*"

        def are_counted() -> bool:
            calcd.signal(signal.SIGUSR1)
            return any(re.fullmatch(counts, text) for text in calcd.log())

        wait_for(are_counted, "all connections in the counters")


# --- A stop, and other ends


def test_a_stop_does_not_wait_for_a_header(folder: Path) -> None:
    with Proxied(folder, "ProxyTimeout=1h\nDrainTime=1h") as calcd, calcd.connect() as silent:
        wait_for(lambda: calcd.awaiting_headers, "a handler that waits for a header")
        calcd.signal(signal.SIGTERM)
        assert is_closed(silent)


def test_half_a_header_that_is_late_in_a_stop_is_refused_and_its_rest_is_no_request(folder: Path) -> None:
    with Proxied(folder, "ProxyTimeout=900ms\nLogLevel=debug") as calcd, calcd.connect() as connection:
        calcd.expected += [REFUSED, "handlers copy more memory .*"]
        connection.sendall(b"PROXY TCP4 ")
        is_late = partial(select.select, [connection], [], [], 0)  # on a machine that has stood still
        wait_for(lambda: is_read(connection) or is_late()[0], "the handler to have read that")
        calcd.signal(signal.SIGTERM)  # a drain gives a new connection a second
        assert is_closed(connection)
        (refused,) = calcd.wait_for_log(REFUSED)
        assert refused[2] == "ProxyTimeout= was over before its header was there"


def test_a_handler_that_is_killed_while_it_waits_for_a_header_takes_no_place_along(folder: Path) -> None:
    with Proxied(folder, "MaxConnections=1\nProxyTimeout=1h") as calcd:
        died = r"handler \d+ died while it waited for a connection: killed by signal 9 .*"
        calcd.expected += [died, "MaxConnections=1 is (no longer )?reached.*"]
        with calcd.connect() as silent:
            wait_for(lambda: calcd.awaiting_headers, "a handler that waits for a header")
            os.kill(calcd.awaiting_headers[0].pid, signal.SIGKILL)
            assert is_closed(silent)
        calcd.wait_for_log(died)
        with calcd.connect() as connection:
            connection.sendall(line() + QUESTION)
            assert receive(connection, 1) == (42,)


def test_who_waits_for_a_header_while_the_listener_dies_is_served(folder: Path) -> None:
    with Proxied(folder, "ProxyTimeout=1h\nExemptSources=") as calcd, calcd.connect() as silent:
        calcd.expected.append("the listener .* died: .*")
        wait_for(lambda: calcd.awaiting_headers, "a handler that waits for a header")
        os.kill(calcd.listener.pid, signal.SIGKILL)
        calcd.wait_for_log("the listener .* died: .*")
        silent.sendall(line() + QUESTION)
        assert receive(silent, 1) == (42,)
        calcd.wait_for_log(rf"connection \d+ from {CLIENT} opened, .*")


def test_who_waits_for_a_header_at_a_reload_is_served(folder: Path) -> None:
    with Proxied(folder, "ProxyTimeout=1h\nExemptSources=") as calcd, calcd.connect() as silent:
        wait_for(lambda: calcd.awaiting_headers, "a handler that waits for a header")
        assert calcd.reload().returncode == 0
        silent.sendall(line() + QUESTION)
        assert receive(silent, 1) == (42,)
