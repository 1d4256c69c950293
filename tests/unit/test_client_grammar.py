"""What a person may write, and what is said about the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcd.client.errors import OperandRangeError
from calcd.client.program import grammar
from calcd.client.program.characters import pointer
from calcd.client.program.grammar import Expression, ExpressionError, Step, parse
from calcd.protocol.classic import Operation

ADD, SUB, MUL, DIV = Operation.ADD, Operation.SUB, Operation.MUL, Operation.DIV
NAMES = grammar.NAMES
SIGNS = {"+": ADD, "-": SUB, "*": MUL}
separators = st.sampled_from([" ", ", ", ",", " , ", "\t"])
operands = st.integers(min_value=-(1 << 80), max_value=1 << 80)


def value(expression: Expression) -> int:
    """What the steps come to; without divisions, so that Python is the judge."""
    results: list[int] = []

    def of(operand: str | int) -> int:
        return int(operand) if isinstance(operand, str) else results[operand]

    for operation, op1, op2 in expression.steps:
        a, b = of(op1), of(op2)
        results.append(a + b if operation == ADD else a - b if operation == SUB else a * b)
    return of(expression.value)


def test_who_names_another_is_told_all_names() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("pow 2 3")
    assert set(NAMES) <= set(str(caught.value).replace(",", "").split())


@given(name=st.sampled_from(sorted(NAMES)), between=separators, a=operands, b=operands)
def test_a_name_and_two_numbers(name: str, between: str, a: int, b: int) -> None:
    assert parse(f"{name} {a}{between}{b}") == ([Step(NAMES[name], str(a), str(b))], 0)


def test_every_operation_that_has_a_result_has_a_name() -> None:
    assert set(NAMES.values()) == set(Operation) - {Operation.QUIT}


@given(sign=st.sampled_from(sorted(SIGNS)), space=st.sampled_from(["", " ", "  "]), a=operands, b=operands)
def test_two_numbers_and_a_sign_between_them(sign: str, space: str, a: int, b: int) -> None:
    assert parse(f"{a}{space}{sign}{space}{b}") == ([Step(SIGNS[sign], str(a), str(b))], 0)


numbers = st.integers(min_value=0, max_value=99).map(str)
expressions = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" + ", "-", " - ", "*", " * "]), inner).map("".join),
        inner.map("({})".format),
        inner.map("-{}".format),
        inner.map("+ {}".format),
    ),
    max_leaves=20,
)


@given(expressions)
def test_any_expression_means_what_it_means_to_python(text: str) -> None:
    assert value(parse(text)) == eval(text)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("7 / 2 / 2", [(DIV, "7", "2"), (DIV, 0, "2")]),
        ("7 - 6 / 2", [(DIV, "6", "2"), (SUB, "7", 0)]),
        ("6 / 2 * 3", [(DIV, "6", "2"), (MUL, 0, "3")]),
        ("6 / -(1 + 2)", [(ADD, "1", "2"), (SUB, "0", 0), (DIV, "6", 1)]),
    ],
)
def test_equal_operations_are_done_from_the_left(text: str, steps: list[Step]) -> None:
    assert parse(text).steps == steps


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("2 x 3", (MUL, "2", "3")),
        ("2 X 3", (MUL, "2", "3")),
        ("ADD 2 3", (ADD, "2", "3")),
        ("  add   2   3 \r\n", (ADD, "2", "3")),
        ("add +2 -3", (ADD, "2", "-3")),
        ("add 2 , 3", (ADD, "2", "3")),
        ("2 - -3", (SUB, "2", "-3")),
        ("2--3", (SUB, "2", "-3")),
        ("-2-3", (SUB, "-2", "3")),
        ("2 -3", (SUB, "2", "3")),
        ("007 + 1", (ADD, "7", "1")),
        ("-0 + 000", (ADD, "0", "0")),
        ("5 \u2212 3", (SUB, "5", "3")),
        ("5 \u2013 3", (SUB, "5", "3")),
        ("\u22125 + 3", (ADD, "-5", "3")),
        ("2 \u00d7 3", (MUL, "2", "3")),
        ("2\u22c53", (MUL, "2", "3")),
        ("6 \u00f7 3", (DIV, "6", "3")),
        ("2\u00a0+\u202f3", (ADD, "2", "3")),
        ("\ufeff2 + 3\u200b", (ADD, "2", "3")),
        ("\uff082\uff0b3\uff09", (ADD, "2", "3")),
        ("add 2\uff0c3", (ADD, "2", "3")),
    ],
)
def test_other_ways_to_write_it(line: str, step: Step) -> None:
    assert parse(line) == ([step], 0)


@pytest.mark.parametrize(
    ("line", "number"),
    [("5", "5"), ("--5", "5"), ("-(5)", "-5"), ("((007))", "7"), ("-0", "0"), ("+ 5", "5")],
)
def test_a_number_alone_takes_no_step(line: str, number: str) -> None:
    assert parse(line) == ([], number)


def test_the_last_result_has_a_name() -> None:
    assert parse("ans * 2", "-21") == ([Step(MUL, "-21", "2")], 0)
    assert parse("-ans", "-21") == ([], "21")
    assert parse("add ans 2", "3") == ([Step(ADD, "3", "2")], 0)
    with pytest.raises(ExpressionError, match="there is none"):
        parse("ans * 2")


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        ("pow 2 3", 0, "unknown operation 'pow'"),
        ("\u017fub 2 3", 0, "unknown operation '\u017fub'"),  # a long s, whose capital is S
        ("quit", 0, "unknown operation 'quit'"),
        ("add", 3, "add takes two numbers"),
        ("add 2", 5, "add takes two numbers"),
        ("add 2,", 6, "add takes two numbers"),
        ("add 2, 3,", 8, "add takes two numbers"),
        ("add , 2 3", 4, "add takes two numbers"),
        ("sub 2 3 4", 8, "sub takes two numbers"),
        ("add two three", 4, "add takes two numbers"),
        ("add 0x10 1", 4, "'0x10' is not a whole decimal number"),
        ("0x10", 0, "'0x10' is not a whole decimal number"),
        ("2 + 0x10", 4, "'0x10' is not a whole decimal number"),
        ("2+1.5", 2, "'1.5' is not a whole decimal number"),
        ("1e3 * 2", 0, "'1e3' is not a whole decimal number"),
        ("٣ + ٣", 0, "'٣', with '٣' (U+0663 ARABIC-INDIC DIGIT THREE), is not a whole decimal number"),
        ("2\u00b2 + 1", 0, "U+00B2 SUPERSCRIPT TWO"),
        ("2 ^ 3", 2, "'^' means nothing here"),
        ("2 + \u201c3\u201d", 4, "'\u201c' (U+201C LEFT DOUBLE QUOTATION MARK) means nothing here"),
        ("2\u00ad+ 3", 1, "U+00AD SOFT HYPHEN"),
        ("2 + \udcff", 4, "the byte 0xFF, which is no UTF-8, means nothing here"),
        ("2 + \0", 4, "'\\x00' (U+0000) means nothing here"),
        ("2 +", 3, "a number is missing"),
        ("2 + foo", 4, "'foo' is no number"),
        ("2 * (3 + ", 8, "a number is missing"),
        ("2 + * 3", 4, "a number is missing"),
        ("* 3", 0, "an expression does not begin with '*'"),
        ("()", 1, "a number is missing"),
        ("(2 + 3", 0, "this parenthesis is not closed"),
        ("2 + 3)", 5, "there is no parenthesis that this one closes"),
        ("2 3", 2, "an operation is missing"),
        ("2 (3)", 2, "an operation is missing"),
        ("1,000 + 1", 1, "a comma belongs between the numbers of add 2, 3 alone"),
        ("", 0, "there is nothing to calculate"),
        ("  ", 0, "there is nothing to calculate"),
        (",", 0, "an expression does not begin with ','"),
        ("9" * 65_537, 65_536, "an expression has at most 65536 characters"),
        ("(" * 100_000, 65_536, "an expression has at most 65536 characters"),
        ("(" * 60_000, 1000, "more than 1000 parentheses within each other"),
    ],
)
def test_what_is_wrong_is_said_with_its_column(line: str, column: int, said: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(line)
    assert said in str(caught.value)
    assert caught.value.column == column


def test_a_caret_points_at_the_column() -> None:
    assert pointer("2 * (3 +", 8) == "    2 * (3 +\n            ^"
    assert pointer("\u65e5 + \tx", 5) == "    \u65e5 +  x\n          ^"  # the first character is wide
    text, caret = pointer("1 + " * 1000 + "?" + " + 1" * 1000, 4000).splitlines()
    assert text[caret.index("^")] == "?"
    assert len(text) <= 80


def test_what_is_deep_but_within_bounds_is_parsed() -> None:
    assert parse("(" * 1000 + "1" + ")" * 1000) == ([], "1")
    assert parse("-" * 60_000 + "1") == ([], "1")
    assert len(parse("1" + "+1" * 30_000).steps) == 30_000


@pytest.mark.parametrize("digits", [4097, 60_000])
def test_a_number_of_any_length_is_out_of_range_and_no_crash(digits: int) -> None:
    with pytest.raises(OperandRangeError):
        parse(f"1 + {'9' * digits}")


@given(st.text() | st.text(alphabet="0123456789+-*/x(), ansd\u2212\ufeff"))
def test_any_line_is_an_expression_or_an_explained_error(line: str) -> None:
    try:
        expression = parse(line, "42")
    except ExpressionError as error:
        assert str(error)
        assert 0 <= error.column <= len(line)
        assert "^" in pointer(line, error.column)
    else:
        for number, step in enumerate(expression.steps):
            assert step.operation in NAMES.values()
            assert all(isinstance(operand, str) or operand < number for operand in step[1:])
