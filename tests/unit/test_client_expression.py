"""What a person may write, and what is said about the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcd.client import expression
from calcd.client.errors import OperandRangeError
from calcd.client.expression import ExpressionError, parse
from calcd.protocol.classic import Operation

ADD, SUB, MUL, DIV = Operation.ADD, Operation.SUB, Operation.MUL, Operation.DIV
NAMES = expression.NAMES
SIGNS = {"+": ADD, "-": SUB, "*": MUL, "/": DIV}
separators = st.sampled_from([" ", ", ", ",", " , ", "\t"])
operands = st.integers(min_value=-(1 << 40), max_value=1 << 40)


def test_who_names_another_is_told_all_names() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("pow 2 3")
    assert set(expression.NAMES) <= set(str(caught.value).replace(",", "").split())


@given(name=st.sampled_from(sorted(NAMES)), between=separators, a=operands, b=operands)
def test_a_name_and_two_numbers(name: str, between: str, a: int, b: int) -> None:
    assert parse(f"{name} {a}{between}{b}") == (NAMES[name], a, b)


def test_every_operation_that_has_a_result_has_a_name() -> None:
    assert set(expression.NAMES.values()) == set(Operation) - {Operation.QUIT}


@given(sign=st.sampled_from(sorted(SIGNS)), space=st.sampled_from(["", " ", "  "]), a=operands, b=operands)
def test_two_numbers_and_a_sign_between_them(sign: str, space: str, a: int, b: int) -> None:
    assert parse(f"{a}{space}{sign}{space}{b}") == (SIGNS[sign], a, b)


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("2 x 3", (MUL, 2, 3)),
        ("2 X 3", (MUL, 2, 3)),
        ("ADD 2 3", (ADD, 2, 3)),
        ("  add   2   3 \r\n", (ADD, 2, 3)),
        ("add +2 -3", (ADD, 2, -3)),
        ("2 - -3", (SUB, 2, -3)),
        ("2--3", (SUB, 2, -3)),
        ("-2-3", (SUB, -2, 3)),
        ("2 -3", (SUB, 2, 3)),
        ("007 + 1", (ADD, 7, 1)),
    ],
)
def test_other_ways_to_write_it(line: str, request_: tuple[Operation, int, int]) -> None:
    assert parse(line) == request_


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pow 2 3", "unknown operation 'pow'"),
        ("\u017fub 2 3", "unknown operation '\u017fub'"),  # a long s, whose capital is S
        ("quit", "unknown operation 'quit'"),
        ("add", "add takes two numbers"),
        ("add 2", "add takes two numbers"),
        ("sub 2 3 4", "sub takes two numbers"),
        ("add 0x10 1", "'0x10' is not a whole decimal number"),
        ("0x10", "'0x10' is not a whole decimal number"),
        ("2 + 0x10", "'0x10' is not a whole decimal number"),
        ("2+1.5", "'1.5' is not a whole decimal number"),
        ("1e3 * 2", "'1e3' is not a whole decimal number"),
        ("٣ + ٣", "'٣' is not a whole decimal number"),
        ("2 ^ 3", "'2 ^ 3' is not understood"),
        ("2 +", "'2 +' is not understood"),
        ("2 3", "'2 3' is not understood"),
        ("1 + 2 + 3", "'1 + 2 + 3' is not understood"),
        ("add two three", "'add two three' is not understood"),
        ("", "'' is not understood"),
        (",", "',' is not understood"),
    ],
)
def test_what_is_wrong_is_said(line: str, said: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(line)
    assert said in str(caught.value)


@pytest.mark.parametrize("digits", [33, 5000])
def test_a_number_of_any_length_is_out_of_range_and_no_crash(digits: int) -> None:
    with pytest.raises(OperandRangeError):
        parse(f"1 + {'9' * digits}")


@given(st.text())
def test_any_line_is_a_request_or_an_explained_error(line: str) -> None:
    try:
        request = parse(line)
    except (ExpressionError, OperandRangeError) as error:
        assert str(error)
    else:
        assert request.operation in NAMES.values()
