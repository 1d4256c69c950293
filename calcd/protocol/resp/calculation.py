"""ADD, SUB, MUL and DIV."""

from __future__ import annotations

from calcd.protocol.resp.numbers import operands, product, quotient
from calcd.protocol.resp.replies import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calcd.protocol.resp.client import Client


def add(_client: Client, words: list[bytes]) -> bytes:
    return number(sum(operands(words)))


def subtract(_client: Client, words: list[bytes]) -> bytes:
    first, second = operands(words)
    return number(first - second)


def multiply(_client: Client, words: list[bytes]) -> bytes:
    return number(product(operands(words)))


def divide(_client: Client, words: list[bytes]) -> bytes:
    return number(quotient(*operands(words)))
