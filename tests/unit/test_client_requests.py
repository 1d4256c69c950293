"""What the library refuses before anything is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcd.client import Client, ClientError, DivisionByZeroError, OperandRangeError, Operation
from calcd.client.connection import encode
from calcd.protocol import classic

RESULTS = [operation for operation in Operation if operation != Operation.QUIT]
int32 = st.integers(min_value=-(1 << 31), max_value=(1 << 31) - 1)
beyond = st.integers(min_value=1 << 31) | st.integers(max_value=-(1 << 31) - 1)


@given(operation=st.sampled_from(RESULTS), a=int32, b=int32.filter(bool))
def test_a_request_is_the_protocols_frame(operation: Operation, a: int, b: int) -> None:
    assert encode(operation, a, b) == classic.encode_request(operation, a, b)


@given(int32)
def test_division_by_zero_is_refused_and_is_a_zero_division_error(a: int) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        encode(Operation.DIV, a, 0)
    assert isinstance(caught.value, DivisionByZeroError)
    assert isinstance(caught.value, ClientError)


@given(operation=st.sampled_from(RESULTS), a=int32.filter(bool), b=beyond)
def test_an_operand_beyond_32_bits_is_refused_and_named(operation: Operation, a: int, b: int) -> None:
    with pytest.raises(OperandRangeError, match="second operand"):
        encode(operation, a, b)
    with pytest.raises(OperandRangeError, match="first operand"):
        encode(operation, b, a)


def test_an_operand_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(OperandRangeError):
        encode(Operation.ADD, 10**5000, 1)


@pytest.mark.parametrize("operand", [2.5, "2", None])
def test_an_operand_that_is_no_integer_is_a_type_error(operand: int) -> None:
    with pytest.raises(TypeError):
        encode(Operation.ADD, operand, 1)
    with pytest.raises(TypeError):
        encode(Operation.ADD, 1, operand)


@pytest.mark.parametrize("operation", RESULTS)
def test_a_client_has_a_method_for_each_operation(operation: Operation) -> None:
    assert callable(getattr(Client, operation.name.lower()))


def test_quit_is_not_a_question() -> None:
    with pytest.raises(ValueError, match="no result"):
        encode(Operation.QUIT, 0, 0)


@pytest.mark.parametrize("timeout", [0.0, -1.0, 1e9, float("nan"), float("inf")])
def test_a_timeout_that_makes_no_sense_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        Client("127.0.0.1:1", timeout=timeout)
