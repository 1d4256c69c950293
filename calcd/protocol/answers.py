"""The server's side of the classic protocol (calcd.protocol.classic): a run of frames to their replies.

A module of its own because a handler pays for what is imported: enum alone is 600 KiB of memory that
every fork copies the tables of.
"""

from struct import Struct, pack

from calcd import arithmetic

REQUEST = Struct("<iii")
REPLY = Struct("<i")

ADD, SUB, MUL, DIV, QUIT = range(5)

# Why a conversation ends at a frame that gets no reply.
STOP_QUIT, STOP_DIVISION_BY_ZERO, STOP_UNKNOWN_OPERATION = range(1, 4)

# Indexed by the operation's number.
_COMPUTE = (arithmetic.add, arithmetic.sub, arithmetic.mul, arithmetic.div)


class _NoReplyError(Exception):
    """A frame that ends the conversation; the argument says why."""


def answer(frames: bytes | memoryview) -> tuple[bytes, int | None]:
    """Answers a run of whole frames: len(frames) is a multiple of REQUEST.size.

    Returns the replies, 4 bytes for each of the requests that were answered, and one of STOP_* when a
    frame ended the conversation; what follows that frame is not looked at.
    """
    if len(frames) == REQUEST.size:
        return _answer_one(frames)
    results: list[int] = []
    keep = results.append
    stop = None
    try:
        # calcd.arithmetic, written out: at 115 ns for a request, a call would be half as much again.
        for oper, a, b in REQUEST.iter_unpack(frames):
            keep(
                a + b
                if oper == ADD
                else a - b
                if oper == SUB
                else a * b
                if oper == MUL
                else int(a / b)
                if oper == DIV
                else _refuse(oper)
            )
    except ZeroDivisionError:
        stop = STOP_DIVISION_BY_ZERO
    except _NoReplyError as error:
        stop = error.args[0]
    # The results have up to 63 bits, and the replies are their low halves: little-endian, the first ones.
    return memoryview(pack(f"<{len(results)}q", *results)).cast("i")[::2].tobytes(), stop


def _answer_one(frame: bytes | memoryview) -> tuple[bytes, int | None]:
    """A lone request touches as little memory as can be: in a fresh handler each page of it is a copy."""
    oper, a, b = REQUEST.unpack(frame)
    if ADD <= oper <= DIV:
        if oper == DIV and b == 0:
            return b"", STOP_DIVISION_BY_ZERO
        return REPLY.pack(_COMPUTE[oper](a, b)), None
    return b"", STOP_QUIT if oper == QUIT else STOP_UNKNOWN_OPERATION


def _refuse(oper: int) -> int:
    raise _NoReplyError(STOP_QUIT if oper == QUIT else STOP_UNKNOWN_OPERATION)
