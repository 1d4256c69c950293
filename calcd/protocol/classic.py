"""The classic protocol: a C struct in, a C int out.

A request is 12 bytes, struct { int oper; int op1; int op2; } as an x86-64 Linux program sends it:
three little-endian signed 32-bit integers. oper is 0 add, 1 sub, 2 mul, 3 div, 4 quit. The reply to
0-3 is one little-endian signed 32-bit integer, 4 bytes; quit has none. There is no way to say
"error", so a wrong number is never sent: the conversation ends instead.
"""

import enum
import struct
from typing import NamedTuple

from calcd import arithmetic

REQUEST = struct.Struct("<iii")
REPLY = struct.Struct("<i")


class Operation(enum.IntEnum):
    ADD = 0
    SUB = 1
    MUL = 2
    DIV = 3
    QUIT = 4


class Stop(enum.IntEnum):
    """Why a conversation ends at a frame that gets no reply."""

    QUIT = 1
    DIVISION_BY_ZERO = 2
    UNKNOWN_OPERATION = 3


class Answers(NamedTuple):
    """What a run of whole frames was answered with."""

    replies: bytes  # 4 bytes for each of the requests that were answered
    stop: Stop | None  # set when a frame ended the conversation; what follows it is not looked at


# Indexed by the operation's number: a tuple costs a request less than a dict or a match.
_COMPUTE = (arithmetic.add, arithmetic.sub, arithmetic.mul, arithmetic.div)


def answer(frames: bytes | memoryview) -> Answers:
    """Answers a run of whole frames: len(frames) is a multiple of REQUEST.size."""
    replies = []
    stop = None
    for oper, op1, op2 in REQUEST.iter_unpack(frames):
        if not Operation.ADD <= oper <= Operation.DIV:
            stop = Stop.QUIT if oper == Operation.QUIT else Stop.UNKNOWN_OPERATION
            break
        if oper == Operation.DIV and op2 == 0:
            stop = Stop.DIVISION_BY_ZERO
            break
        replies.append(_COMPUTE[oper](op1, op2))
    return Answers(struct.pack(f"<{len(replies)}i", *replies), stop)


def encode_request(operation: Operation, op1: int = 0, op2: int = 0) -> bytes:
    """One frame. Raises struct.error when an operand does not fit 32 bits."""
    return REQUEST.pack(operation, op1, op2)


def decode_replies(replies: bytes | memoryview) -> tuple[int, ...]:
    """The results in a run of whole replies: len(replies) is a multiple of REPLY.size."""
    return struct.unpack(f"<{len(replies) // REPLY.size}i", replies)
