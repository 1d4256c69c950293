"""What is asked, and what comes back, whatever the protocol."""

import operator
from collections import namedtuple
from collections.abc import Sequence

from calcd.client.errors import ClientError
from calcd.protocol.classic import Operation


class Request(namedtuple("Request", ("operation", "op1", "op2"))):
    """One calculation. An operand is an integer, or the decimal digits of one."""

    __slots__ = ()
    operation: Operation
    op1: int | str
    op2: int | str


# The decimal digits of a result, or why there is none.
Reply = str | ClientError


def checked(operation: Operation, op1: int, op2: int) -> Request:
    """Raises TypeError if an operand is not an integer, and ValueError if the operation has no result."""
    if not Operation.ADD <= operation <= Operation.DIV:
        raise ValueError(f"{operation!r} has no result")
    return Request(operation, operator.index(op1), operator.index(op2))


def results(replies: Sequence[Reply]) -> list[int]:
    """The results, as numbers. Raises the first error among the replies."""
    for reply in replies:
        if isinstance(reply, ClientError):
            raise reply
    return [int(reply) for reply in replies if isinstance(reply, str)]
