"""Calls that the library's clients ask together: the same for both."""

from collections.abc import Iterator

import pytest
from support import calc_client
from support.both_clients import BOTH, MakeClient, both_protocols
from support.c_server import CServer
from support.daemon import Calcd

from calcd.client import (
    ConnectionLostError,
    DivisionByZeroError,
    NotAskedError,
    TooBigError,
)

pytestmark = [pytest.mark.parametrize("client", BOTH)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as running:
        yield "{}:{}".format(*running.address)


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that knows the classic protocol alone."""
    with CServer(tmp_path_factory.mktemp("c")) as running:
        yield running.address


@both_protocols
def test_each_call_has_its_own_result_or_error(server: str, client: MakeClient, protocol: str) -> None:
    with client(server, protocol=protocol) as c:
        with c.pipeline() as p:
            total, none, product = p.add(2, 3), p.div(1, 0), p.mul(4, 5)
            difference, quotient, big = p.sub(2, 3), p.div(-7, 2), p.mul(10**1024, 1)
        assert (total.result(), product.result()) == (5, 20)
        assert (difference.result(), quotient.result()) == (-1, -3)
        for _ in range(2):
            with pytest.raises(DivisionByZeroError, match="division by zero"):
                none.result()
        with pytest.raises(TooBigError):
            big.result()


def test_an_older_server_answers_too(older: str, client: MakeClient) -> None:
    with client(older) as c:
        with c.pipeline() as p:
            calls = [p.add(n, 1) for n in range(1000)]
        assert [call.result() for call in calls] == list(range(1, 1001))


def test_a_pipeline_has_more_calls_than_the_sockets_hold(server: str, client: MakeClient) -> None:
    with client(server, calc_client.DEADLINE) as c:
        with c.pipeline() as p:
            calls = [p.sub(n, 3 * n) for n in range(100_000)]
        assert [call.result() for call in calls] == [-2 * n for n in range(100_000)]


def test_a_pipeline_can_be_used_again_and_an_empty_one_asks_nothing(server: str, client: MakeClient) -> None:
    with client(server) as c:
        pipeline = c.pipeline()
        with pipeline as p:
            first = p.add(1, 1)
        with c.pipeline():
            pass
        with c.pipeline() as p:
            second = p.add(2, 2)
        assert (first.result(), second.result()) == (2, 4)


def test_a_pipeline_whose_with_statement_fails_is_not_asked(client: MakeClient) -> None:
    listener, address = calc_client.listen()
    with listener, client(address) as c, calc_client.accept(listener) as connection:
        with pytest.raises(LookupError), c.pipeline() as p:
            call = p.add(2, 3)
            with pytest.raises(NotAskedError, match="only if that has no error"):
                call.result()
            with pytest.raises(TypeError):
                p.add(2.5, 1)  # type: ignore[arg-type]
            raise LookupError
        with pytest.raises(NotAskedError):
            call.result()
        c.close()
        assert connection.recv(1) == b""


def test_what_was_answered_before_a_failure_has_its_result(client: MakeClient) -> None:
    with (
        calc_client.served(("ADD 4 5\n", b":5\r\n"), ("\n", b"")) as (address, _),
        client(address, calc_client.DEADLINE) as c,
    ):
        with pytest.raises(ConnectionLostError), c.pipeline() as p:
            answered, unanswered = p.add(2, 3), p.add(4, 5)
        assert answered.result() == 5
        with pytest.raises(ConnectionLostError):
            unanswered.result()
