"""What is asked, and what comes back, whatever the protocol."""

from typing import NamedTuple

from calcd.client.errors import ClientError
from calcd.protocol.classic import Operation


class Request(NamedTuple):
    """One calculation. An operand is an integer, or the decimal digits of one."""

    operation: Operation
    op1: int | str
    op2: int | str


# The decimal digits of a result, or why there is none.
Reply = str | ClientError
