"""What a connection has to come to: the classic protocol once more, plainly, from its description alone.

Nothing here is calcd's, and the arithmetic is C's: ctypes for the struct and for what fits an int.
"""

import ctypes
import math
from typing import NamedTuple

QUIT = "quit"
CLOSED = "closed"
TRUNCATED = "truncated"
DIVISION_BY_ZERO = "division by zero"
UNKNOWN_OPERATION = "unknown operation"
REQUEST_LIMIT = "request limit"


class Request(ctypes.LittleEndianStructure):
    _fields_ = (("oper", ctypes.c_int32), ("op1", ctypes.c_int32), ("op2", ctypes.c_int32))


SIZE = ctypes.sizeof(Request)


class Conversation(NamedTuple):
    replies: bytes
    ending: str
    requests: int  # answered
    rest: bytes  # the request, or the part of one, that has no answer and ends it
    is_cut_short: bool  # more was sent than is looked at


def result(oper: int, a: int, b: int) -> int:
    """Before it is cut down to 32 bits. Raises ZeroDivisionError."""
    if oper == 3:
        quotient = abs(a) // abs(b)
        return quotient if (a < 0) == (b < 0) else -quotient
    return {0: a + b, 1: a - b, 2: a * b}[oper]


def converse(stream: bytes, max_requests: float = math.inf) -> Conversation:
    """What a client that sends the stream and then closes its half is answered."""
    replies: list[bytes] = []

    def ended(ending: str, rest: bytes, at: int) -> Conversation:
        return Conversation(b"".join(replies), ending, len(replies), rest, len(stream) > at)

    at = 0
    while len(stream) - at >= SIZE:
        frame = stream[at : at + SIZE]
        at += SIZE
        request = Request.from_buffer_copy(frame)
        if request.oper == 4:
            return ended(QUIT, b"", at)
        if request.oper not in (0, 1, 2, 3):
            return ended(UNKNOWN_OPERATION, frame, at)
        if request.oper == 3 and request.op2 == 0:
            return ended(DIVISION_BY_ZERO, frame, at)
        number = ctypes.c_int32(result(request.oper, request.op1, request.op2))
        replies.append(number.value.to_bytes(4, "little", signed=True))
        if len(replies) >= max_requests:
            return ended(REQUEST_LIMIT, b"", at)
    rest = stream[at:]
    if len(rest) >= 4 and int.from_bytes(rest[:4], "little", signed=True) not in (0, 1, 2, 3, 4):
        return ended(UNKNOWN_OPERATION, rest, len(stream))
    return ended(TRUNCATED if rest else CLOSED, rest, len(stream))
