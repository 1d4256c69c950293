"""In what order the steps of expressions are asked, and what a failure leaves."""

import contextlib
from collections.abc import Sequence

import pytest

from calcd.client.errors import ClientError, ConnectionLostError, DivisionByZeroError
from calcd.client.program.evaluation import Evaluation
from calcd.client.program.grammar import parse
from calcd.client.request import Reply, Request
from calcd.protocol.classic import Operation
from calcd.protocol.resp import numbers
from calcd.protocol.resp.errors import CommandError


class Server:
    """Calculates as calcd does, and counts what it is asked; from the fall-th request on it is gone."""

    def __init__(self, fall: int = 1 << 30) -> None:
        self.rounds: list[int] = []
        self._left = fall

    def ask(self, requests: Sequence[Request], replies: list[Reply]) -> None:
        self.rounds.append(len(requests))
        for operation, a, b in requests:
            if not self._left:
                raise ConnectionLostError("gone")
            self._left -= 1
            replies.append(self._reply(operation, int(a), int(b)))

    def _reply(self, operation: Operation, a: int, b: int) -> Reply:
        try:
            if operation == Operation.DIV:
                return str(numbers.quotient(a, b))
        except CommandError:
            return DivisionByZeroError("division by zero")
        return str({Operation.ADD: a + b, Operation.SUB: a - b, Operation.MUL: a * b}[operation])


@pytest.mark.parametrize(
    ("text", "answer", "rounds"),
    [
        ("2 * (3 + 4) - -5", "19", [1, 1, 1]),
        ("(1 + 2) * (3 + 4)", "21", [2, 1]),
        ("1*1 + 2*2 + (3*3 + 4*4)", "30", [4, 2, 1]),
        ("-(7 / 2)", "-3", [1, 1]),
        ("5", "5", [0]),
    ],
)
def test_steps_that_do_not_need_each_other_are_asked_together(
    text: str, answer: str, rounds: list[int]
) -> None:
    server = Server()
    evaluation = Evaluation([parse(text)])
    evaluation.run(server.ask)
    assert evaluation.answers() == [answer]
    assert server.rounds == rounds


def test_so_are_those_of_different_expressions() -> None:
    server = Server()
    evaluation = Evaluation([parse(f"({n} + 1) * 2") for n in range(100)] + [parse("7 - 1")])
    evaluation.run(server.ask)
    assert evaluation.answers() == [*(str((n + 1) * 2) for n in range(100)), "6"]
    assert server.rounds == [101, 100]


def test_a_step_that_fails_fails_those_that_need_it_and_no_other() -> None:
    server = Server()
    evaluation = Evaluation([parse("1 + 2 * (3 / (1 - 1))"), parse("1 + 2 * 3")])
    evaluation.run(server.ask)
    failed, answer = evaluation.answers()
    assert isinstance(failed, ClientError)
    assert isinstance(failed, ZeroDivisionError)
    assert answer == "7"
    assert sum(server.rounds) == 4


@pytest.mark.parametrize("fall", range(5))
def test_what_was_answered_before_a_failure_is_kept(fall: int) -> None:
    evaluation = Evaluation([parse(f"{n} + 1") for n in range(5)])
    with contextlib.suppress(ConnectionLostError):
        evaluation.run(Server(fall).ask)
    assert evaluation.answers() == [str(n + 1) for n in range(fall)] + [None] * (5 - fall)
