"""The four operations answer what C answers, and what its compilers do where C leaves it open: to a lone
request as in a run of them."""

import ctypes
import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.integers import INT_MAX, INT_MIN, c_int

from calcd.protocol import calculator
from calcd.protocol.calculator import ADD, DIV, MUL, SUB

EDGES = [INT_MIN, INT_MIN + 1, -65536, -46341, -7, -2, -1, 0, 1, 2, 7, 46341, 65536, INT_MAX - 1, INT_MAX]
PAIRS = list(itertools.product(EDGES, EDGES))
operands = st.sampled_from(EDGES) | st.integers(INT_MIN, INT_MAX)


class DivT(ctypes.Structure):
    """div_t of stdlib.h."""

    _fields_ = (("quot", ctypes.c_int), ("rem", ctypes.c_int))


c_div = ctypes.CDLL(None).div
c_div.argtypes = (ctypes.c_int, ctypes.c_int)
c_div.restype = DivT


def answer(oper: int, a: int, b: int) -> int | None:
    """None when division by zero ends the conversation."""
    frame = struct.pack("<iii", oper, a, b)
    reply = calculator.answer_one(frame)
    stop = None if reply else calculator.reason(frame)
    assert calculator.answer(frame) == (reply, stop)
    assert calculator.answer(frame * 2) == (reply * 2, stop)
    if stop is not None:
        assert stop == calculator.STOP_DIVISION_BY_ZERO
        return None
    (result,) = struct.unpack("<i", reply)
    return int(result)


def check_refusal(frame: bytes, reason: int) -> None:
    assert calculator.answer_one(frame) == b""
    assert calculator.reason(frame) == reason
    assert calculator.answer(frame) == (b"", reason)


def quotient(a: int, b: int) -> int | None:
    if b == 0:
        return None
    if (a, b) == (INT_MIN, -1):  # C leaves it open, and x86-64 raises SIGFPE
        return INT_MIN
    return int(c_div(a, b).quot)


def check(a: int, b: int) -> None:
    assert answer(ADD, a, b) == c_int(a + b)
    assert answer(SUB, a, b) == c_int(a - b)
    assert answer(MUL, a, b) == c_int(a * b)
    assert answer(DIV, a, b) == quotient(a, b)


@given(operands, operands)
def test_sums_differences_and_products_wrap_and_quotients_are_those_of_the_c_library(a: int, b: int) -> None:
    check(a, b)


def test_every_pair_of_edges() -> None:
    for a, b in PAIRS:
        check(a, b)


@pytest.mark.parametrize(
    ("oper", "a", "b", "expected"),
    [
        (ADD, INT_MAX, 1, INT_MIN),
        (SUB, INT_MIN, 1, INT_MAX),
        (MUL, INT_MIN, -1, INT_MIN),
        (MUL, 65536, 65536, 0),
        (DIV, 7, 2, 3),
        (DIV, -7, 2, -3),
        (DIV, 7, -2, -3),
        (DIV, -7, -2, 3),
        (DIV, INT_MIN, -1, INT_MIN),
        (DIV, 0, 0, None),
    ],
)
def test_well_known_answers(oper: int, a: int, b: int, expected: int | None) -> None:
    assert answer(oper, a, b) == expected


@pytest.mark.parametrize("oper", [-1, 5, 0x20544547])
def test_an_operation_that_there_is_not_has_no_answer(oper: int) -> None:
    check_refusal(struct.pack("<iii", oper, 1, 1), calculator.STOP_UNKNOWN_OPERATION)


def test_a_quit_has_no_answer() -> None:
    check_refusal(struct.pack("<iii", calculator.QUIT, 1, 1), calculator.STOP_QUIT)
