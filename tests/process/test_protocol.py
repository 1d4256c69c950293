"""What a client sees of the classic protocol."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.daemon import Calcd, ask, receive
from support.processes import DEADLINE, Process, wait_for

from calcd.protocol.calculator import answer
from calcd.protocol.classic import Operation, encode_request

ADD, SUB, MUL, DIV, QUIT = Operation.ADD, Operation.SUB, Operation.MUL, Operation.DIV, Operation.QUIT
RESULTS = [operation for operation in Operation if operation != QUIT]
INT = st.integers(-(2**31), 2**31 - 1)


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calcd]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as calcd:
        # The clients in here may break off wherever they like.
        calcd.expected.append(
            r"connection \d+ from \S+ ended after [\d.]+ s: (truncated frame|division by zero|"
            r"unknown operation|connection lost); .*"
        )
        yield calcd


def test_the_four_operations_are_answered(calcd: Calcd) -> None:
    with calcd.connect() as connection:
        assert ask(connection, ADD, 2, 3) == 5
        assert ask(connection, SUB, 2, 3) == -1
        assert ask(connection, MUL, -2, 3) == -6
        assert ask(connection, DIV, -7, 2) == -3


def test_results_beyond_32_bits_wrap(calcd: Calcd) -> None:
    with calcd.connect() as connection:
        assert ask(connection, ADD, 2**31 - 1, 1) == -(2**31)
        assert ask(connection, SUB, -(2**31), 1) == 2**31 - 1
        assert ask(connection, MUL, 2**30, 4) == 0
        assert ask(connection, DIV, -(2**31), -1) == -(2**31)


def test_quit_is_answered_with_a_close(calcd: Calcd) -> None:
    with calcd.connect() as connection:
        ask(connection, ADD, 1, 1)
        connection.sendall(encode_request(QUIT))
        assert connection.recv(1) == b""


def test_requests_sent_before_quit_in_one_piece_are_answered(calcd: Calcd) -> None:
    with calcd.connect() as connection:
        connection.sendall(encode_request(ADD, 1, 1) + encode_request(QUIT) + encode_request(ADD, 2, 2))
        assert receive(connection, 1) == (2,)
        assert connection.recv(1) == b""


def test_division_by_zero_closes_behind_all_earlier_replies(calcd: Calcd) -> None:
    before = b"".join(encode_request(ADD, n, 1) for n in range(1000))
    after = b"".join(encode_request(ADD, n, 1) for n in range(100_000))
    with calcd.connect() as connection:
        connection.sendall(before + encode_request(DIV, 1, 0) + after)
        assert receive(connection, 1000) == tuple(range(1, 1001))
        assert connection.recv(1) == b""


def test_an_unknown_operation_closes_behind_all_earlier_replies(calcd: Calcd) -> None:
    for unknown in (5, -1, 2**31 - 1, -(2**31)):
        with calcd.connect() as connection:
            frame = unknown.to_bytes(4, "little", signed=True) + bytes(8)
            connection.sendall(encode_request(MUL, 6, 7) + frame)
            assert receive(connection, 1) == (42,)
            assert connection.recv(1) == b""


@given(requests=st.lists(st.tuples(st.sampled_from(RESULTS), INT, INT), max_size=30), data=st.data())
def test_frames_may_be_split_and_glued_anywhere(
    calcd: Calcd, requests: list[tuple[Operation, int, int]], data: st.DataObject
) -> None:
    stream = b"".join(encode_request(*request) for request in requests)
    expected, _ = answer(stream)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    with calcd.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            connection.sendall(stream[start:end])
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received == expected


def test_a_request_that_trickles_in_byte_by_byte_is_answered(calcd: Calcd) -> None:
    with calcd.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for operation in RESULTS:
            request = encode_request(operation, 10, 4)
            for byte in request:
                connection.sendall(bytes([byte]))
                time.sleep(0.002)  # or the next one comes along with it
            assert connection.recv(4) == answer(request)[0]


def test_a_client_may_send_a_hundred_thousand_requests_before_it_reads(calcd: Calcd) -> None:
    """More than the sockets' buffers hold, so that calcd has to wait in the middle."""
    requests = b"".join(encode_request(ADD, n, n) for n in range(100_000))
    with calcd.connect() as connection:
        connection.setblocking(False)
        sent = 0
        received = b""
        while sent < len(requests) or len(received) < 400_000:
            try:
                sent += connection.send(requests[sent : sent + 65536])
            except BlockingIOError:
                received += _read_some(connection)
            if sent == len(requests):
                received += _read_some(connection)
    assert received == answer(requests)[0]


def _read_some(connection: socket.socket) -> bytes:
    connection.settimeout(DEADLINE)
    try:
        return connection.recv(65536)
    finally:
        connection.setblocking(False)


def test_a_client_that_only_closes_its_half_gets_its_answers(calcd: Calcd) -> None:
    with calcd.connect() as connection:
        connection.sendall(encode_request(MUL, 11, 11))
        connection.shutdown(socket.SHUT_WR)
        assert receive(connection, 1) == (121,)
        assert connection.recv(1) == b""


def test_one_client_never_waits_for_another(calcd: Calcd) -> None:
    idle = [calcd.connect() for _ in range(50)]
    with calcd.connect() as connection:
        assert ask(connection, ADD, 20, 22) == 42
    for connection in idle:
        assert ask(connection, ADD, 1, 2) == 3
        connection.close()


def test_each_connection_has_a_handler_of_its_own_and_ps_names_its_client(calcd: Calcd) -> None:
    first, second = calcd.connect(), calcd.connect()
    names = {"calcd: serving {}:{}".format(*c.getsockname()) for c in (first, second)}
    wait_for(lambda: names <= {handler.title for handler in calcd.handlers}, f"{names} in ps")
    first.close()
    second.close()


def test_the_listener_stays_lean(calcd: Calcd) -> None:
    """What a process has imported is paid for at every fork. A module leaves its file's name in memory."""
    with calcd.connect() as connection:
        ask(connection, ADD, 1, 1)
        memory = _written_memory(calcd.listener)
    assert b"/struct.py" in memory, "the names of modules are not found in this way any more"
    heavy = (b"/threading.py", b"/random.py", b"/logging/", b"/enum.py", b"/typing.py", b"/socket.py")
    assert [name for name in heavy if name in memory] == []


def _written_memory(process: Process) -> bytes:
    memory = b""
    with Path(f"/proc/{process.pid}/mem").open("rb") as mem:
        for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines():
            addresses, permissions, *_ = line.split()
            if permissions.startswith("rw"):
                start, end = (int(address, 16) for address in addresses.split("-"))
                mem.seek(start)
                memory += mem.read(end - start)
    return memory
