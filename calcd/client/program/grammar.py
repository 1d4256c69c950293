"""Parses what people write: 2 * (3 + 4) - -5, or add 2 3.

    line       = name number [","] number | expression
    expression = product {("+" | "-") product}
    product    = factor {("*" | "/" | "x") factor}
    factor     = ("+" | "-") factor | number | "ans" | "(" expression ")"

It is total: any text gives an Expression, or an error with the column. It does not recurse, so no depth is a
crash.
"""

from __future__ import annotations

import re
from collections import namedtuple

from calcd.client.errors import ClientError, OperandRangeError
from calcd.client.program.characters import describe, in_ascii
from calcd.protocol.classic import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

NAMES = {"add": Operation.ADD, "sub": Operation.SUB, "mul": Operation.MUL, "div": Operation.DIV}
LAST_RESULT = "ans"
MAX_LENGTH = 65_536  # characters of a line
MAX_DIGITS = 4096  # of a number; calcd takes fewer
MAX_DEPTH = 1000  # parentheses within each other

_SIGNS = {
    "+": Operation.ADD,
    "-": Operation.SUB,
    "*": Operation.MUL,
    "x": Operation.MUL,
    "X": Operation.MUL,
    "/": Operation.DIV,
}
_BINDS = {Operation.ADD: 1, Operation.SUB: 1, Operation.MUL: 2, Operation.DIV: 2}
_MINUS, _OPEN = 3, 0  # how an unary minus and a parenthesis bind

# What most lines of a batch are, in one look.
_NUMBER = r"(0|-?[1-9][0-9]{0,999})"
_SIMPLE = re.compile(
    rf"\s*{_NUMBER}\s*([-+*/])\s*{_NUMBER}\s*|\s*(add|sub|mul|div)\s+{_NUMBER}(?:\s*,\s*|\s+){_NUMBER}\s*"
)
_LEXEME = r"\s*(?:([0-9]+)(?![\w.])|([^\W\d]\w*)|(\d[\w.]*)|(\S))"


class ExpressionError(ClientError, ValueError):
    """A line that is not understood, at a column that is counted from 0."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column


Operand = str | int  # decimal digits, or the number of an earlier step


class Step(namedtuple("Step", ("operation", "op1", "op2"))):
    __slots__ = ()
    operation: Operation
    op1: Operand
    op2: Operand


class Expression(namedtuple("Expression", ("steps", "value"))):
    """Steps, each of which uses the results of earlier ones. The value is that of the last step, or a number
    if there is none."""

    __slots__ = ()
    steps: list[Step]
    value: Operand


# The two are no named tuples, because the making of such a class takes as long as 50 lines do here.
class _Token:
    """A number, a word in small letters (also x), a sign of one character, or nothing: the line's end."""

    __slots__ = ("column", "number", "sign", "word")

    def __init__(self, column: int, number: str = "", word: str = "", sign: str = "") -> None:
        self.column = column
        self.number = number
        self.word = word
        self.sign = sign


class _Waiting:
    """What stands before an operand that is not complete; the operation if it has two operands."""

    __slots__ = ("binds", "column", "operation")

    def __init__(self, column: int, binds: int, operation: Operation = Operation.QUIT) -> None:
        self.column = column
        self.binds = binds
        self.operation = operation


def parse(line: str, last_result: str | None = None) -> Expression:
    """Returns what the line asks for; last_result is what "ans" stands for.

    Raises ExpressionError, and OperandRangeError for a number of more than MAX_DIGITS digits.
    """
    if len(line) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH} characters", MAX_LENGTH)
    if simple := _SIMPLE.fullmatch(line):
        a, sign, b, name, c, d = simple.groups()
        step = Step(_SIGNS[sign], a, b) if sign else Step(NAMES[name], c, d)
        return Expression([step], 0)
    tokens = _tokens(in_ascii(line), line)
    if tokens[0].word not in ("", LAST_RESULT):
        return _named(tokens, last_result)
    return _Parser(last_result).parse(tokens)


def _tokens(text: str, line: str) -> list[_Token]:
    """The tokens of text, and one for its end. line is the text as it was written."""
    tokens = []
    for match in re.finditer(_LEXEME, text):
        number, word, not_decimal, sign = match.groups("")
        column = match.start(match.lastindex or 0)
        if not_decimal:
            raise ExpressionError(_not_decimal(not_decimal), column)
        if len(number) > MAX_DIGITS:
            raise OperandRangeError(
                f"a number has {len(number)} digits: {MAX_DIGITS} are too many for any calcd"
            )
        if sign and sign not in "+-*/(),":
            raise ExpressionError(
                f"{describe(line[column])} means nothing here: there are + - * / ( )", column
            )
        tokens.append(_Token(column, number.lstrip("0") or number[:1], word.lower(), sign))
    tokens.append(_Token(len(text.rstrip())))
    return tokens


def _not_decimal(token: str) -> str:
    return f"{_quoted(token)} is not a whole decimal number"


def _quoted(word: str) -> str:
    other = next((c for c in word if not c.isascii()), None)
    return f"{word[:40]!r}" + (f", with {describe(other)}," if other else "")


def _named(tokens: list[_Token], last_result: str | None) -> Expression:
    """add 2 3, or add 2, 3."""
    name, *rest, end = tokens
    if name.word not in NAMES:
        raise ExpressionError(
            f"unknown operation {_quoted(name.word)}: there are add, sub, mul and div", name.column
        )
    operands: list[Operand] = []
    while rest and len(operands) < 2:
        sign = rest.pop(0) if rest[0].sign in ("+", "-") else None
        if not rest or not (rest[0].number or rest[0].word == LAST_RESULT):
            break
        number = _value(rest.pop(0), last_result)
        operands.append(_negated(number) if sign and sign.sign == "-" else number)
        if len(operands) == 1 and rest and rest[0].sign == ",":
            del rest[0]
    if rest or len(operands) < 2:
        column = rest[0].column if rest else end.column
        raise ExpressionError(f"{name.word} takes two numbers: {name.word} 2 3", column)
    return Expression([Step(NAMES[name.word], *operands)], 0)


def _value(token: _Token, last_result: str | None) -> str:
    if token.number:
        return token.number
    if token.word != LAST_RESULT:
        raise ExpressionError(f"{_quoted(token.word)} is no number", token.column)
    if last_result is None:
        raise ExpressionError("ans is the last result at the prompt, and there is none", token.column)
    return last_result


def _negated(number: str) -> str:
    return number[1:] if number.startswith("-") else "-" + number if number != "0" else number


class _Parser:
    """Operator precedence with two stacks: E. W. Dijkstra's shunting yard."""

    def __init__(self, last_result: str | None) -> None:
        self._last_result = last_result
        self._steps: list[Step] = []
        self._operands: list[Operand] = []
        self._waiting: list[_Waiting] = []
        self._depth = 0

    def parse(self, tokens: list[_Token]) -> Expression:
        wants_operand = True
        for token in tokens:
            wants_operand = self._before(token) if wants_operand else self._behind(token)
        for waiting in self._waiting:
            if waiting.binds == _OPEN:
                raise ExpressionError("this parenthesis is not closed", waiting.column)
        self._reduce(_OPEN)
        return Expression(self._steps, self._operands.pop())

    def _before(self, token: _Token) -> bool:
        """Takes a token where an operand begins. Returns whether one is still wanted."""
        if token.number or token.word:
            self._operands.append(_value(token, self._last_result))
            return False
        if token.sign == "(":
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise ExpressionError(
                    f"more than {MAX_DEPTH} parentheses within each other are not taken", token.column
                )
            self._waiting.append(_Waiting(token.column, _OPEN))
        elif token.sign == "-":
            self._waiting.append(_Waiting(token.column, _MINUS))
        elif token.sign != "+":
            self._miss_operand(token)
        return True

    def _behind(self, token: _Token) -> bool:
        """Takes a token behind an operand. Returns whether another operand is wanted."""
        if token.sign == ")":
            self._reduce(_OPEN)
            if not self._waiting:
                raise ExpressionError("there is no parenthesis that this one closes", token.column)
            self._waiting.pop()
            self._depth -= 1
            return False
        operation = _SIGNS.get(token.sign or token.word)
        if operation is not None:
            self._reduce(_BINDS[operation])
            self._waiting.append(_Waiting(token.column, _BINDS[operation], operation))
            return True
        if token.number or token.word or token.sign == "(":
            raise ExpressionError("an operation is missing: + - * or /", token.column)
        if token.sign == ",":
            raise ExpressionError("a comma belongs between the numbers of add 2, 3 alone", token.column)
        return False

    def _reduce(self, binds: int) -> None:
        """Makes steps of what waits and binds as strongly, or more, down to an open parenthesis."""
        while self._waiting and self._waiting[-1].binds >= max(binds, 1):
            waiting = self._waiting.pop()
            operand = self._operands.pop()
            if waiting.binds < _MINUS:
                self._take(Step(waiting.operation, self._operands.pop(), operand))
            elif isinstance(operand, str):
                self._operands.append(_negated(operand))
            else:
                self._take(Step(Operation.SUB, "0", operand))

    def _take(self, step: Step) -> None:
        self._operands.append(len(self._steps))
        self._steps.append(step)

    def _miss_operand(self, token: _Token) -> NoReturn:
        if self._waiting:
            raise ExpressionError("a number is missing", token.column)
        if token.sign:
            raise ExpressionError(f"an expression does not begin with {token.sign!r}", token.column)
        raise ExpressionError("there is nothing to calculate: write 2 + 3 or add 2 3", token.column)
