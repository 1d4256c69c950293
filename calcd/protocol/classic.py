"""The classic protocol: a C struct in, a C int out.

A request is 12 bytes, struct { int oper; int op1; int op2; } as an x86-64 Linux program sends it:
three little-endian signed 32-bit integers. oper is 0 add, 1 sub, 2 mul, 3 div, 4 quit. The reply to
0-3 is one little-endian signed 32-bit integer, 4 bytes; quit has none. There is no way to say
"error". Instead of a wrong number, the server closes the connection.
"""

import enum
import struct

from calcd.protocol import calculator


class Operation(enum.IntEnum):
    ADD = calculator.ADD
    SUB = calculator.SUB
    MUL = calculator.MUL
    DIV = calculator.DIV
    QUIT = calculator.QUIT


REQUEST = calculator.REQUEST
REPLY = calculator.REPLY


def encode_request(operation: Operation, op1: int = 0, op2: int = 0) -> bytes:
    """Returns one frame, 12 bytes. Raises struct.error if an operand does not fit 32 bits."""
    return REQUEST.pack(operation, op1, op2)


def decode_replies(replies: bytes | memoryview) -> tuple[int, ...]:
    """Returns the results in a run of whole replies: len(replies) is a multiple of REPLY.size."""
    return struct.unpack(f"<{len(replies) // REPLY.size}i", replies)
