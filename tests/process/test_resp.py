"""RESP beside the classic protocol: which is spoken, when calcd ends a connection, and what the log says."""

import contextlib
import re
import signal
import socket
import threading
from pathlib import Path

import pytest
from support.daemon import Calcd, ask
from support.no_deadlines import calcd_with
from support.processes import wait_for

from calcd.protocol.classic import Operation, encode_request

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

CUT_OFF = r"connection \d+ from \S+ cut off after [\d.]+ s: (\w+)= is (?:over|reached); requests: (\d+), .*"
STRANGER = (
    r"connection \d+ from \S+ closed after [\d.]+ s: it does not speak calcd's protocols, it sent (.*), "
    r"which looks like (.*)"
)
ENDED = r"connection \d+ from \S+ ended after [\d.]+ s: "


def all_replies(connection: socket.socket) -> bytes:
    """What comes until calcd closes."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def one_reply(connection: socket.socket) -> bytes:
    """A reply that is one line."""
    received = b""
    while not received.endswith(b"\r\n"):
        chunk = connection.recv(1)
        assert chunk, received
        received += chunk
    return received


def exchange(calcd: Calcd, sent: bytes) -> bytes:
    """What a client gets that sends this and closes its half of the connection."""
    with calcd.connect() as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return all_replies(connection)


def cut_off(calcd: Calcd) -> tuple[str, ...]:
    """At which setting, and after how many commands."""
    (line,) = calcd.wait_for_log(CUT_OFF)
    return line.groups()


# Which protocol ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "replies"),
    [
        (b"ADD 2 3\n", b":5\r\n"),
        (b"*3\r\n$3\r\nADD\r\n$1\r\n2\r\n$1\r\n3\r\n", b":5\r\n"),
        (b"ADD 22 333\r\n", b":355\r\n"),  # as long as a classic request
        (b"\r\nadd 2 3\r\n", b":5\r\n"),
        (b"\nadd 2 3\r\n", b":5\r\n"),
        (b"  add 2 3\r\n", b":5\r\n"),
        (b"ADD 2147483647 1\r\n", b":2147483648\r\n"),
        (b"MUL 9223372036854775807 2\r\n", b"$20\r\n18446744073709551614\r\n"),
        (b"DIV 1 0\r\nADD 1 x\r\nADD 2 3\r\n", None),
        (encode_request(Operation.ADD, 2, 3), b"\5\0\0\0"),
        (encode_request(Operation.ADD, 2, 3) * 3, b"\5\0\0\0" * 3),
        (encode_request(Operation.ADD, 2, 3) + encode_request(Operation.QUIT), b"\5\0\0\0"),
    ],
)
def test_the_first_byte_tells_the_protocol(folder: Path, sent: bytes, replies: bytes | None) -> None:
    with Calcd(folder) as calcd:
        received = exchange(calcd, sent)
        if replies is None:
            divided, added, five = received.splitlines()
            assert divided.startswith(b"-DIVBYZERO ")
            assert added.startswith(b"-NOTINT ")
            assert five == b":5"
        else:
            assert received == replies


def test_a_request_is_cut_anywhere(folder: Path) -> None:
    sent = b"*3\r\n$3\r\nADD\r\n$1\r\n2\r\n$1\r\n3\r\nADD 2 3\r\n"
    with Calcd(folder) as calcd, calcd.connect() as connection:
        for byte in sent:
            connection.sendall(bytes([byte]))
        assert one_reply(connection) + one_reply(connection) == b":5\r\n:5\r\n"


def test_what_looks_classic_within_resp_is_a_protocol_error(folder: Path) -> None:
    with Calcd(folder) as calcd:
        calcd.expected.append(ENDED + "protocol error; .*")
        with calcd.connect() as connection:
            connection.sendall(b"*1\r\n$4\r\nPING\r\n")
            assert one_reply(connection) == b"+PONG\r\n"
            connection.sendall(b"*1\r\n" + encode_request(Operation.ADD, 2, 3))
            assert all_replies(connection).startswith(b"-ERR Protocol error: expected '$'")
        calcd.wait_for_log(ENDED + "protocol error; requests: 1, errors: 2, .* protocol: resp, .*")


def test_who_is_to_speak_classic_alone_takes_resp_for_a_strangers(folder: Path) -> None:
    with calcd_with(folder, "Protocols=classic", STRANGER) as calcd:
        assert exchange(calcd, b"*1\r\n$4\r\nPING\r\n") == b""
        assert calcd.wait_for_log(STRANGER)[0][2] == "Redis"
        assert exchange(calcd, encode_request(Operation.ADD, 2, 3)) == b"\5\0\0\0"


def test_who_is_to_speak_resp_alone_takes_classic_for_a_strangers(folder: Path) -> None:
    with calcd_with(folder, "Protocols=resp", STRANGER) as calcd:
        assert exchange(calcd, encode_request(Operation.ADD, 2, 3)) == b""
        assert "Protocols=" in calcd.wait_for_log(STRANGER)[0][2]
        assert exchange(calcd, b"PING\r\n") == b"+PONG\r\n"


def test_a_reload_puts_the_protocols_in_force(folder: Path) -> None:
    with calcd_with(folder, "Protocols=classic", STRANGER) as calcd:
        calcd.config.write_text("[calcd]\nProtocols=resp\n")
        assert calcd.reload().returncode == 0
        assert exchange(calcd, b"PING\r\n") == b"+PONG\r\n"
        assert exchange(calcd, encode_request(Operation.ADD, 2, 3)) == b""


# When calcd ends a connection --------------------------------------------------------------------


def test_a_command_that_does_not_arrive_whole_in_time_is_told_so(folder: Path) -> None:
    with calcd_with(folder, "FrameTimeout=200ms", CUT_OFF) as calcd, calcd.connect() as connection:
        connection.sendall(b"ADD 2 3\r\n*3\r\n$3\r\nADD\r\n$1\r\n2\r\n")
        five, refusal = all_replies(connection).splitlines()
        assert five == b":5"
        assert re.match(rb"-ERR FrameTimeout= is over", refusal)
        connection.close()
        assert cut_off(calcd) == ("FrameTimeout", "1")


def test_a_client_that_is_idle_gets_no_reply_that_it_has_not_asked_for(folder: Path) -> None:
    with calcd_with(folder, "IdleTimeout=200ms", CUT_OFF) as calcd, calcd.connect() as connection:
        connection.sendall(b"ADD 2 3\r\n")
        assert all_replies(connection) == b":5\r\n"
        connection.close()
        assert cut_off(calcd) == ("IdleTimeout", "1")


def test_a_lifetime_that_is_over_is_told_to_who_is_in_the_middle_of_a_command(folder: Path) -> None:
    with calcd_with(folder, "ConnectionLifetime=300ms", CUT_OFF) as calcd, calcd.connect() as connection:
        connection.sendall(b"PING\r\nADD 2")
        pong, refusal = all_replies(connection).splitlines()
        assert pong == b"+PONG"
        assert refusal.startswith(b"-ERR ConnectionLifetime= is over")
        connection.close()
        assert cut_off(calcd) == ("ConnectionLifetime", "1")


def test_the_last_command_is_answered_when_calcd_stops(folder: Path) -> None:
    with Calcd(folder) as calcd, calcd.connect() as idle, calcd.connect() as connection:
        idle.sendall(b"PING\r\n")
        assert one_reply(idle) == b"+PONG\r\n"
        connection.sendall(b"PING\r\nADD 2")
        assert one_reply(connection) == b"+PONG\r\n"
        calcd.signal(signal.SIGTERM)
        assert all_replies(idle) == b""
        connection.sendall(b" 3\r\n")
        assert all_replies(connection) == b":5\r\n"


def test_who_does_not_end_its_command_when_calcd_stops_is_told_so(folder: Path) -> None:
    with Calcd(folder) as calcd, calcd.connect() as connection:
        connection.sendall(b"PING\r\nADD 2")
        assert one_reply(connection) == b"+PONG\r\n"
        calcd.signal(signal.SIGTERM)
        assert all_replies(connection).startswith(b"-ERR calcd stops")


def test_a_client_that_reads_slowly_does_not_hold_up_a_stop(folder: Path) -> None:
    """One read of its handler is ten thousand replies. Else the handler would be killed, with a warning."""
    with calcd_with(folder, "DrainTime=15s") as calcd, calcd.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"INFO\r\n" * 10_000)
        assert connection.recv(4096)
        calcd.signal(signal.SIGTERM)

        def has_ended() -> bool:
            connection.recv(4096)
            return any(re.match(ENDED + "closed by calcd, which stops", line) for line in calcd.log())

        wait_for(has_ended, "the end of the connection")


def test_max_requests_closes_behind_the_last_reply(folder: Path) -> None:
    with calcd_with(folder, "MaxRequests=2", CUT_OFF) as calcd, calcd.connect() as connection:
        connection.sendall(b"PING\r\nPING\r\n")
        assert all_replies(connection) == b"+PONG\r\n+PONG\r\n"
        connection.close()
        assert cut_off(calcd) == ("MaxRequests", "2")


def test_who_has_asked_more_than_max_requests_is_told_so(folder: Path) -> None:
    with calcd_with(folder, "MaxRequests=2", CUT_OFF) as calcd:
        one, two, refusal = exchange(calcd, b"PING\r\n" * 5).splitlines()
        assert (one, two) == (b"+PONG", b"+PONG")
        assert refusal.startswith(b"-ERR MaxRequests= is reached")


def test_who_does_not_read_is_cut_off(folder: Path) -> None:
    with calcd_with(folder, "SendTimeout=200ms", CUT_OFF) as calcd, calcd.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"INFO\r\n" * 10_000)
        assert cut_off(calcd)[0] == "SendTimeout"


def test_many_long_replies_take_little_memory(folder: Path) -> None:
    """INFO is some kilobytes: 64 KiB of it would be 30 MB of replies, and a handler has 64."""
    with calcd_with(folder, "HandlerMemory=32M") as calcd, calcd.connect() as connection:
        sending = threading.Thread(target=connection.sendall, args=(b"INFO\r\n" * 30_000 + b"QUIT\r\n",))
        sending.start()
        replies = 0
        last = b""
        while chunk := connection.recv(1 << 20):
            replies += (last + chunk).count(b"# Server") - last.count(b"# Server")
            last = chunk[-20:]
        sending.join()
        assert last.endswith(b"+OK\r\n")
        assert replies == 30_000


# What the log says -------------------------------------------------------------------------------


def test_the_log_has_protocol_commands_and_errors_by_kind(folder: Path) -> None:
    with Calcd(folder) as calcd:
        exchange(
            calcd, b"DIV 1 0\r\nDIV 1 0\r\nADD 1 x\r\nADD %b 1\r\nNO\r\nPING\r\nQUIT\r\n" % (b"9" * 1025)
        )
        calcd.wait_for_log(
            ENDED + r"quit; requests: 7, errors: 5, .*, protocol: resp, "
            r"error replies: 2 DIVBYZERO, 1 NOTINT, 1 TOOBIG, 1 ERR"
        )
        exchange(calcd, encode_request(Operation.ADD, 2, 3))
        calcd.wait_for_log(
            ENDED + "closed by client; requests: 1, errors: 0, .*, protocol: classic, error replies: none"
        )


def test_a_connection_without_a_command_counts_none_whoever_was_served_before(folder: Path) -> None:
    """A handler may serve another connection before."""
    with Calcd(folder) as calcd:
        calcd.expected.append(ENDED + "truncated frame; .*")
        exchange(calcd, b"PING\r\n" * 3)
        calcd.wait_for_log(ENDED + "closed by client; requests: 3, .*")
        exchange(calcd, b"PI")
        calcd.wait_for_log(ENDED + "truncated frame; requests: 0, .* protocol: resp, .*")


def test_a_reset_when_all_is_answered_is_a_good_end(folder: Path) -> None:
    with calcd_with(folder, "LogConnections=errors") as calcd:
        with calcd.connect() as connection:
            connection.sendall(b"*1\r\n$4\r\nPING\r\n")
            assert one_reply(connection) == b"+PONG\r\n"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        calcd.signal(signal.SIGUSR1)
        wait_for(lambda: not calcd.handlers and counters(calcd)["served"] == 1, "the end of the connection")


@pytest.mark.parametrize(
    ("sent", "replies", "looks_like"),
    [
        (b"POST / HTTP/1.1\r\nHost: calcd\r\n\r\n", 0, "HTTP"),
        (b"GET / HTTP/1.1\r\nHost: calcd\r\n\r\n", 0, "HTTP"),
        (b"*2\r\n$4\r\npost\r\n$1\r\n/\r\n", 0, "Redis"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 0, "a proxy's PROXY header"),
        (b"EHLO there\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nQUIT\r\n", 4, "SMTP"),
    ],
)
def test_a_stranger_that_sends_text(folder: Path, sent: bytes, replies: int, looks_like: str) -> None:
    with Calcd(folder) as calcd:
        calcd.expected.append(STRANGER)
        assert len(exchange(calcd, sent).splitlines()) == replies
        assert calcd.wait_for_log(STRANGER)[0][2] == looks_like


# What is counted ---------------------------------------------------------------------------------


def counters(calcd: Calcd) -> dict[str, int]:
    """The latest line of counters, after asking for it."""
    lines = len([line for line in calcd.log() if line.startswith("since ")])
    calcd.expected.append("since .*")
    calcd.signal(signal.SIGUSR1)
    line = calcd.wait_for_log("since .*", lines + 1)[-1][0]
    return {name.strip(): int(number) for name, number in re.findall(r"([a-z ]+): (\d+)", line)}


@pytest.mark.parametrize("request_", [b"ADD 2 3\r\n", encode_request(Operation.ADD, 2, 3)])
def test_the_counts_move_while_a_client_asks_on_and_on(folder: Path, request_: bytes) -> None:
    size = len(b":5\r\n")
    with Calcd(folder) as calcd, calcd.connect() as connection:
        answered = 0

        def has_moved() -> bool:
            nonlocal answered
            connection.sendall(request_ * 100)
            answered += 100
            received = 0
            while received < 100 * size:
                received += len(connection.recv(65536))
            return counters(calcd)["requests answered"] > 0

        wait_for(has_moved, "a count of requests of a connection that is open")
        assert counters(calcd)["requests answered"] <= answered
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
        connection.close()
        wait_for(lambda: counters(calcd)["served"] == 1, "the end of the connection")
        assert counters(calcd)["requests answered"] == answered


def test_client_ids_are_unique_and_grow_over_a_reload(folder: Path) -> None:
    with Calcd(folder) as calcd:
        ids = []
        for round_ in range(2):
            with contextlib.ExitStack() as stack:
                for _ in range(20):
                    connection = stack.enter_context(calcd.connect())
                    connection.sendall(b"CLIENT ID\r\nCLIENT ID\r\n")
                    first, second = one_reply(connection), one_reply(connection)
                    assert first == second
                    ids.append(int(first[1:]))
            if round_ == 0:
                assert calcd.reload().returncode == 0
        assert ids == sorted(set(ids))
        assert ids[-1] < 1 << 53


def test_a_client_of_the_classic_protocol_notices_nothing_of_resp_beside_it(folder: Path) -> None:
    with Calcd(folder) as calcd, calcd.connect() as classic, calcd.connect() as resp:
        for number in range(10):
            resp.sendall(b"ADD %d 1\r\n" % number)
            assert ask(classic, Operation.ADD, number, 1) == number + 1
            assert one_reply(resp) == b":%d\r\n" % (number + 1)
