"""calcd's arithmetic beside C's: the same answer wherever C has one."""

import itertools
import subprocess
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.c_programs import build
from support.c_server import CServer
from support.integers import INT_MAX, INT_MIN

from calcd.client import Client
from calcd.protocol import calculator, classic
from calcd.protocol.classic import Operation

EDGES = (INT_MIN, INT_MIN + 1, -65536, -7, -2, -1, 0, 1, 2, 7, 46341, 65536, INT_MAX - 1, INT_MAX)
RESULTS = [operation for operation in Operation if operation != Operation.QUIT]
Ask = Callable[[Operation, int, int], int]
int32 = st.integers(min_value=INT_MIN, max_value=INT_MAX)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CServer]:
    with CServer(tmp_path_factory.mktemp("c")) as running:
        yield running


@pytest.fixture(scope="module")
def in_c(tmp_path_factory: pytest.TempPathFactory, server: CServer) -> Iterator[Ask]:
    """Asks the C server through the C client."""
    program = build("client", tmp_path_factory.mktemp("c"))
    with subprocess.Popen(
        [program, "127.0.0.1", str(server.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as client:
        reader, writer = client.stdout, client.stdin
        assert reader
        assert writer

        def ask(operation: Operation, a: int, b: int) -> int:
            writer.write(b"%d %d %d\n" % (operation, a, b))
            writer.flush()
            return int(reader.readline())

        yield ask


def in_python(operation: Operation, a: int, b: int) -> int:
    request = classic.encode_request(operation, a, b)
    alone, _ = calculator.answer(request)
    assert calculator.answer(request * 2) == (alone * 2, None)
    return classic.decode_replies(alone)[0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operation=st.sampled_from(RESULTS), a=int32, b=int32.filter(bool))
def test_any_operands(in_c: Ask, operation: Operation, a: int, b: int) -> None:
    assert in_python(operation, a, b) == in_c(operation, a, b)


def test_the_edges_in_one_pipeline(server: CServer) -> None:
    requests = [
        (operation, a, b)
        for operation, a, b in itertools.product(RESULTS, EDGES, EDGES)
        if operation != Operation.DIV or b != 0
    ]
    with Client(server.address, protocol="classic", wraps=True) as c:
        assert c.compute(requests) == [in_python(*request) for request in requests]


@pytest.mark.parametrize("line", [b"3 1 0", b"4 0 0", b"5 1 1", b"-1 1 1"])
def test_what_has_no_answer_closes_the_connection(
    tmp_path_factory: pytest.TempPathFactory, server: CServer, line: bytes
) -> None:
    program = build("client", tmp_path_factory.mktemp("c"))
    ended = subprocess.run(
        [program, "127.0.0.1", str(server.port)],
        input=b"0 2 3\n" + line + b"\n0 2 3\n",
        capture_output=True,
        check=True,
    )
    assert ended.stdout == b"5\nclosed\n"
