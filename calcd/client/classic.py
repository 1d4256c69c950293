"""The classic protocol on the client's side: requests to frames, and bytes to replies. No I/O.

The protocol cannot say "error", and wraps results to 32 bits. So what it has no answer for is refused here,
before it is sent.
"""

from collections.abc import Iterable

from calcd.client.errors import (
    ClientError,
    DivisionByZeroError,
    OperandRangeError,
    TooBigError,
)
from calcd.client.request import Reply, Request
from calcd.protocol import classic
from calcd.protocol.classic import Operation

_LEAST, _MOST = -(1 << 31), (1 << 31) - 1


class Classic:
    """The requests and replies of one connection.

    wraps: operands and results beyond 32 bits wrap, as in C. advice is what helps where they do not.
    """

    # A reply is any four bytes. What another program sends is found out because it is more than that.
    first_alone = True

    def __init__(
        self, *, wraps: bool = False, advice: str = "RESP has no such limit, and --wrap wraps"
    ) -> None:
        self._wraps = wraps
        self._advice = advice
        self.rest = b""  # the beginning of a reply

    def encode(self, requests: Iterable[Request]) -> list[bytes | ClientError]:
        """Returns the frame of each request, or why there is none."""
        frames: list[bytes | ClientError] = []
        for request in requests:
            try:
                frames.append(self._frame(request))
            except ClientError as error:
                frames.append(error.with_traceback(None))  # whose frame has the list, and so the error
        return frames

    def decode(self, data: bytes, replies: list[Reply]) -> None:
        """Appends the replies that are whole."""
        data = self.rest + data
        whole = len(data) - len(data) % classic.REPLY.size
        replies += map(str, classic.decode_replies(data[:whole]))
        self.rest = data[whole:]

    def _frame(self, request: Request) -> bytes:
        operation = request.operation
        a = self._operand(request.op1, "first")
        b = self._operand(request.op2, "second")
        if operation == Operation.DIV and not b:
            raise DivisionByZeroError("division by zero")
        if not (self._wraps or _LEAST <= _exact(operation, a, b) <= _MOST):
            raise TooBigError(
                f"the result of {operation.name.lower()} {a} {b} does not fit the 32 bits of the classic "
                f"protocol: {self._advice}"
            )
        return classic.encode_request(operation, a, b)

    def _operand(self, operand: int | str, which: str) -> int:
        number = int(operand)
        if _LEAST <= number <= _MOST:
            return number
        if self._wraps:
            return (number - _LEAST) % (1 << 32) + _LEAST
        raise OperandRangeError(
            f"the {which} operand does not fit the 32 bits of the classic protocol, {_LEAST} to {_MOST}: "
            f"{self._advice}"
        )


def _exact(operation: Operation, a: int, b: int) -> int:
    if operation == Operation.DIV:
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    if operation == Operation.MUL:
        return a * b
    return a + b if operation == Operation.ADD else a - b
