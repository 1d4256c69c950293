"""The four operations answer what C answers, and what its compilers do where C leaves it open."""

import ctypes
import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcd import arithmetic
from calcd.arithmetic import INT_MAX, INT_MIN

EDGES = [INT_MIN, INT_MIN + 1, -65536, -46341, -7, -2, -1, 0, 1, 2, 7, 46341, 65536, INT_MAX - 1, INT_MAX]
PAIRS = list(itertools.product(EDGES, EDGES))
operands = st.sampled_from(EDGES) | st.integers(INT_MIN, INT_MAX)


class DivT(ctypes.Structure):
    """div_t of stdlib.h."""

    _fields_ = (("quot", ctypes.c_int), ("rem", ctypes.c_int))


c_div = ctypes.CDLL(None).div
c_div.argtypes = (ctypes.c_int, ctypes.c_int)
c_div.restype = DivT


def c_int(value: int) -> int:
    return ctypes.c_int32(value).value


def check_wrapping(a: int, b: int) -> None:
    assert arithmetic.add(a, b) == c_int(a + b)
    assert arithmetic.sub(a, b) == c_int(a - b)
    assert arithmetic.mul(a, b) == c_int(a * b)


def check_division(a: int, b: int) -> None:
    if b == 0:
        with pytest.raises(ZeroDivisionError):
            arithmetic.div(a, b)
    elif (a, b) == (INT_MIN, -1):  # C leaves it open, and x86-64 raises SIGFPE
        assert arithmetic.div(a, b) == INT_MIN
    else:
        assert arithmetic.div(a, b) == c_div(a, b).quot


@given(operands, operands)
def test_sums_differences_and_products_wrap_to_32_bits(a: int, b: int) -> None:
    check_wrapping(a, b)


@given(operands, operands)
def test_quotients_are_those_of_the_c_library(a: int, b: int) -> None:
    check_division(a, b)


@pytest.mark.parametrize("check", [check_wrapping, check_division])
def test_every_pair_of_edges(check: Callable[[int, int], None]) -> None:
    for a, b in PAIRS:
        check(a, b)


@pytest.mark.parametrize(
    ("operation", "a", "b", "answer"),
    [
        (arithmetic.add, INT_MAX, 1, INT_MIN),
        (arithmetic.sub, INT_MIN, 1, INT_MAX),
        (arithmetic.mul, INT_MIN, -1, INT_MIN),
        (arithmetic.mul, 65536, 65536, 0),
        (arithmetic.div, 7, 2, 3),
        (arithmetic.div, -7, 2, -3),
        (arithmetic.div, 7, -2, -3),
        (arithmetic.div, -7, -2, 3),
        (arithmetic.div, INT_MIN, -1, INT_MIN),
    ],
)
def test_well_known_answers(operation: Callable[[int, int], int], a: int, b: int, answer: int) -> None:
    assert operation(a, b) == answer


@given(st.integers())
def test_wrap_keeps_the_low_32_bits_of_any_number(value: int) -> None:
    assert arithmetic.wrap(value) == c_int(value & 0xFFFFFFFF)
