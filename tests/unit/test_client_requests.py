"""What the library refuses before anything is sent, what it sends, and what it makes of replies."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.integers import c_int

from calcd.client import (
    AsyncClient,
    Client,
    ClientError,
    ConnectionLostError,
    DivisionByZeroError,
    ErrorReplyError,
    NotCalcdError,
    OperandRangeError,
    Operation,
    Request,
    TooBigError,
    UnknownProtocolError,
)
from calcd.client.classic import Classic
from calcd.client.pipeline import Calls
from calcd.client.request import Reply, checked
from calcd.client.resp import Resp
from calcd.protocol import classic
from calcd.protocol.resp import replies

RESULTS = [operation for operation in Operation if operation != Operation.QUIT]
int32 = st.integers(min_value=-(1 << 31), max_value=(1 << 31) - 1)
small = st.integers(min_value=-40_000, max_value=40_000)
beyond = st.integers(min_value=1 << 31) | st.integers(max_value=-(1 << 31) - 1)


def in_classic(request: Request, *, wraps: bool = False) -> bytes | ClientError:
    (frame,) = Classic(wraps=wraps).encode([request])
    return frame


def decode(data: bytes) -> list[Reply]:
    received: list[Reply] = []
    Resp().decode(data, received)
    return received


@given(operation=st.sampled_from(RESULTS), a=small, b=small.filter(bool))
def test_a_classic_request_is_the_protocols_frame(operation: Operation, a: int, b: int) -> None:
    assert in_classic(Request(operation, a, b)) == classic.encode_request(operation, a, b)
    assert in_classic(Request(operation, str(a), str(b))) == classic.encode_request(operation, a, b)


@given(operation=st.sampled_from(RESULTS), a=st.integers(), b=st.integers())
def test_a_request_of_resp_is_a_line(operation: Operation, a: int, b: int) -> None:
    assert Resp().encode([Request(operation, a, b)]) == [f"{operation.name} {a} {b}\n".encode()]


@given(int32)
def test_division_by_zero_is_refused_in_classic_and_is_a_zero_division_error(a: int) -> None:
    error = in_classic(Request(Operation.DIV, a, 0))
    assert isinstance(error, DivisionByZeroError)
    assert isinstance(error, ZeroDivisionError)


@given(operation=st.sampled_from(RESULTS), a=small.filter(bool), b=beyond)
def test_an_operand_beyond_32_bits_is_refused_in_classic_and_named(
    operation: Operation, a: int, b: int
) -> None:
    for request, which in ((Request(operation, a, b), "second"), (Request(operation, b, a), "first")):
        error = in_classic(request)
        assert isinstance(error, OperandRangeError)
        assert f"{which} operand does not fit the 32 bits" in str(error)


@pytest.mark.parametrize(
    ("operation", "a", "b"),
    [
        (Operation.ADD, (1 << 31) - 1, 1),
        (Operation.SUB, -(1 << 31), 1),
        (Operation.MUL, 1 << 16, 1 << 15),
        (Operation.DIV, -(1 << 31), -1),
    ],
)
def test_a_result_beyond_32_bits_is_refused_in_classic_unless_it_may_wrap(
    operation: Operation, a: int, b: int
) -> None:
    error = in_classic(Request(operation, a, b))
    assert isinstance(error, TooBigError)
    assert f"{operation.name.lower()} {a} {b} does not fit the 32 bits" in str(error)
    wrapped = in_classic(Request(operation, a, b), wraps=True)
    assert wrapped == classic.encode_request(operation, a, b)


@given(operation=st.sampled_from(RESULTS), a=st.integers(), b=st.integers())
def test_operands_wrap_as_in_c_where_they_may(operation: Operation, a: int, b: int) -> None:
    frame = in_classic(Request(operation, a, b), wraps=True)
    if operation == Operation.DIV and not c_int(b):
        assert isinstance(frame, DivisionByZeroError)
    else:
        assert frame == classic.encode_request(operation, c_int(a), c_int(b))


def test_an_operand_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(OperandRangeError):
        Resp().encode([Request(Operation.ADD, 10**5000, 1)])
    assert isinstance(in_classic(Request(Operation.ADD, 10**5000, 1)), OperandRangeError)


@pytest.mark.parametrize("operand", [2.5, "2", None])
def test_an_operand_that_is_no_integer_is_a_type_error(operand: int) -> None:
    with pytest.raises(TypeError):
        checked(Operation.ADD, operand, 1)
    with pytest.raises(TypeError):
        checked(Operation.ADD, 1, operand)


@pytest.mark.parametrize("operation", RESULTS)
@pytest.mark.parametrize("asker", [Client, AsyncClient, Calls])
def test_each_client_and_its_pipeline_have_a_method_for_each_operation(
    asker: type, operation: Operation
) -> None:
    assert callable(getattr(asker, operation.name.lower()))


def test_quit_is_not_a_question() -> None:
    with pytest.raises(ValueError, match="no result"):
        checked(Operation.QUIT, 0, 0)


@pytest.mark.parametrize("timeout", [0.0, -1.0, 1e9, float("nan"), float("inf")])
def test_a_timeout_that_makes_no_sense_is_refused(timeout: float) -> None:
    for client in (Client, AsyncClient):
        with pytest.raises(ValueError, match="timeout"):
            client("127.0.0.1:1", timeout=timeout)


def test_a_protocol_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for client in (Client, AsyncClient):
        with pytest.raises(UnknownProtocolError, match="'gopher': there are resp and classic"):
            client("127.0.0.1:1", protocol="gopher")
    monkeypatch.setenv("CALCD_PROTOCOL", "RESP3")
    with pytest.raises(UnknownProtocolError, match="CALCD_PROTOCOL in the environment, 'RESP3'"):
        Client("127.0.0.1:1")


@given(numbers=st.lists(st.integers() | st.integers(min_value=1 << 63)), cuts=st.data())
def test_the_servers_numbers_are_taken_however_they_are_cut(numbers: list[int], cuts: st.DataObject) -> None:
    data = b"".join(map(replies.number, numbers))
    at = sorted(cuts.draw(st.lists(st.integers(min_value=0, max_value=len(data)))))
    protocol = Resp()
    received: list[Reply] = []
    for start, end in itertools.pairwise([0, *at, len(data)]):
        protocol.decode(data[start:end], received)
    assert received == list(map(str, numbers))


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        (b"-DIVBYZERO division by zero\r\n", DivisionByZeroError, "division by zero"),
        (b"-TOOBIG the result is\r\n", TooBigError, "the result is"),
        (b"-NOTINT operand 1\r\n", ErrorReplyError, "the server's answer is an error: NOTINT operand 1"),
        (b"-ERR \x1b[2J\xff\r\n", ErrorReplyError, "the server's answer is an error: ERR ?[2J?"),
    ],
)
def test_an_error_has_the_servers_reason(data: bytes, kind: type[ClientError], said: str) -> None:
    error, other = decode(data + b":2\r\n")
    assert other == "2"
    assert type(error) is kind
    assert str(error) == said


def test_an_error_by_which_the_server_ends_the_connection_is_no_answer() -> None:
    received: list[Reply] = []
    with pytest.raises(ConnectionLostError, match="MaxRequests= is reached"):
        Resp().decode(b":1\r\n:2\r\n-ERR MaxRequests= is reached\r\n", received)
    assert received == ["1", "2"]


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\x00\x00\x00\x00",
        b"+OK\r\n",
        b":\r\n",
        b":01\r\n",
        b":1\n",
        b":12345678901234567890123\r\n",
        b"$3\r\n12\r\n",
        b"$-1\r\n",
        b"$12\r\nno number!!!\r\n",
        b"*1\r\n:1\r\n",
        b"_\r\n",
    ],
)
def test_what_cannot_be_an_answer_is_shown(data: bytes) -> None:
    with pytest.raises(NotCalcdError) as caught:
        decode(data)
    assert str(caught.value).startswith("'" + repr(data)[2:12])


@given(st.binary() | st.lists(st.sampled_from([b":", b"$", b"-", b"1", b"0", b"\r\n", b"E"])).map(b"".join))
def test_any_bytes_are_replies_or_an_error(data: bytes) -> None:
    try:
        received = decode(data)
    except (NotCalcdError, ConnectionLostError):
        return
    assert all(isinstance(reply, ClientError) or int(reply) is not None for reply in received)
