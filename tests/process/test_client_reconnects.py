"""What the library's clients do when a connection is lost: the same for both."""

import socket
from pathlib import Path

import pytest
from support import calc_client
from support.both_clients import BOTH, MakeClient, both_protocols
from support.daemon import Calcd
from support.processes import wait_for

from calcd.client import (
    ConnectError,
    ConnectionLostError,
    DivisionByZeroError,
    NotCalcdError,
    Operation,
    ServerTimeoutError,
)
from calcd.protocol import classic

pytestmark = [pytest.mark.parametrize("client", BOTH)]


def has_arrived(server: str, *, is_end: bool) -> bool:
    """Whether the end of the connection, or bytes that nobody has read, are there: proc_net_tcp(5)."""
    port = int(server.rpartition(":")[2])
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, peer, state, queues, *_ = line.split()
        if peer.endswith(f":{port:04X}"):
            return state == "08" if is_end else int(queues.partition(":")[2], 16) > 0
    return False


@both_protocols
def test_a_restart_of_calcd_disturbs_nobody(folder: Path, client: MakeClient, protocol: str) -> None:
    path = folder.with_name("socket")
    calcd = Calcd(folder, listen=[f"unix:{path}"])
    with calcd:
        c = client(f"unix:{path}", calc_client.DEADLINE, protocol=protocol)
        assert c.add(2, 3) == 5
    with c:
        with pytest.raises(ConnectError, match="is calcd running"):
            c.add(2, 3)
        with calcd:
            assert c.add(2, 3) == 5
            assert c.compute([(Operation.ADD, n, 1) for n in range(10_000)]) == list(range(1, 10_001))
            c.close()


@both_protocols
@pytest.mark.parametrize("most", [1000, 1 << 15])
def test_what_max_requests_leaves_is_asked_on_new_connections(
    folder: Path, client: MakeClient, protocol: str, most: int
) -> None:
    calcd = Calcd(folder)
    calcd.config.write_text(f"[calcd]\nMaxRequests={most}\n")
    calcd.expected.append(r"connection \d+ .*MaxRequests.*")
    with calcd, client("{}:{}".format(*calcd.address), calc_client.DEADLINE, protocol=protocol) as c:
        count = 3 * most + 500
        assert c.compute([(Operation.ADD, n, 1) for n in range(count)]) == list(range(1, count + 1))
        assert c.add(2, 3) == 5


def test_a_connection_that_was_closed_before_anything_was_asked_is_made_anew(client: MakeClient) -> None:
    with (
        calc_client.served(("", b""), ("\n", b":5\r\n")) as (address, read),
        client(address, calc_client.DEADLINE) as c,
    ):
        wait_for(lambda: has_arrived(address, is_end=True), "the end of the first connection")
        assert c.add(2, 3) == 5
    assert read == [b"", b"ADD 2 3    \n"]


def test_what_came_before_anything_was_asked_is_no_answer(client: MakeClient) -> None:
    listener, address = calc_client.listen()
    with listener, client(address, calc_client.DEADLINE) as c, calc_client.accept(listener) as connection:
        connection.sendall(b":9\r\n")
        wait_for(lambda: has_arrived(address, is_end=False), "what the server says")
        with pytest.raises(NotCalcdError, match="before it was asked"):
            c.add(2, 3)


def test_half_an_answer_behind_whole_ones_is_asked_for_again(client: MakeClient) -> None:
    answers = ("DIV 1 0\n", b":2\r\n:"), ("DIV 1 0\n", b":4\r\n-DIVBYZERO so\r\n")
    with (
        calc_client.served(*answers) as (address, read),
        client(address, calc_client.DEADLINE) as c,
        pytest.raises(DivisionByZeroError, match="so"),
    ):
        c.compute([(Operation.ADD, 1, 1), (Operation.ADD, 2, 2), (Operation.DIV, 1, 0)])
    assert read == [b"ADD 1 1\nADD 2 2\nDIV 1 0\n", b"ADD 2 2\nDIV 1 0\n"]


def test_a_new_connection_that_brings_nothing_is_the_last_one(client: MakeClient) -> None:
    with (
        calc_client.served(("\n", b":2\r\n"), ("\n", b":")) as (address, read),
        client(address, calc_client.DEADLINE) as c,
    ):
        assert c.add(1, 1) == 2
        with pytest.raises(ConnectionLostError, match="closed the connection without an answer"):
            c.add(2, 2)
    assert len(read) == 2


def test_a_first_request_that_has_half_an_answer_is_not_repeated(client: MakeClient) -> None:
    with (
        calc_client.served(("\n", b":5")) as (address, read),
        client(address, calc_client.DEADLINE) as c,
        pytest.raises(ConnectionLostError),
    ):
        c.add(2, 3)
    assert len(read) == 1


def test_a_server_that_is_silent_at_resp_is_asked_in_classic_on_each_connection(client: MakeClient) -> None:
    five = classic.REPLY.pack(5)
    asked = ("\n", b""), ("....", five)
    with calc_client.served(*asked, *asked) as (address, read), client(address, calc_client.DEADLINE) as c:
        assert c.add(2, 3) == 5
        assert c.add(2, 3) == 5
    frame = classic.encode_request(Operation.ADD, 2, 3)
    assert read == [b"ADD 2 3    \n", frame, b"ADD 2 3    \n", frame]


def test_a_server_that_has_answered_in_resp_is_not_asked_in_classic(client: MakeClient) -> None:
    asked = ("\n", b":5\r\n"), ("\n", b""), ("\n", b":1099511627777\r\n")
    with calc_client.served(*asked) as (address, read), client(address, calc_client.DEADLINE) as c:
        assert c.add(2, 3) == 5
        with pytest.raises(ConnectionLostError, match="closed the connection without an answer"):
            c.add(2, 3)
        assert c.add(1 << 40, 1) == (1 << 40) + 1
    assert len(read) == 3


def test_a_timeout_is_not_repeated_and_the_next_call_makes_a_new_connection(client: MakeClient) -> None:
    listener, address = calc_client.listen()
    with listener, client(address, 0.1) as c:
        with calc_client.accept(listener) as connection:
            with pytest.raises(ServerTimeoutError, match=r"did not answer within 0\.1 s"):
                c.add(2, 3)
            assert connection.recv(100, socket.MSG_WAITALL) == b"ADD 2 3    \n"
        with pytest.raises(ServerTimeoutError):
            c.add(4, 5)
        with calc_client.accept(listener) as connection:
            assert connection.recv(100, socket.MSG_WAITALL) == b"ADD 4 5    \n"


def test_behind_what_is_no_answer_the_next_call_makes_a_new_connection(client: MakeClient) -> None:
    with (
        calc_client.served(("\n", b"+OK\r\n"), ("\n", b":5\r\n")) as (address, _),
        client(address, calc_client.DEADLINE) as c,
    ):
        with pytest.raises(NotCalcdError):
            c.add(2, 3)
        assert c.add(2, 3) == 5


def test_a_client_that_was_closed_asks_nobody(client: MakeClient) -> None:
    with calc_client.served(("\n", b":5\r\n")) as (address, _), client(address, calc_client.DEADLINE) as c:
        assert c.add(2, 3) == 5
        c.close()
        c.close()
        with pytest.raises(ConnectionLostError, match="is closed: make a new one"):
            c.add(2, 3)
