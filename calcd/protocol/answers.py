"""The server's side of the classic protocol (calcd.protocol.classic): a run of frames to their replies.

A module of its own because a handler pays for what is imported: enum alone is 600 KiB of memory that
every fork copies the tables of. The four operations stand in it twice, because a request would take half as
long again if a function were called for each.

1.  Where C leaves the answer undefined (an overflow), these wrap: two's complement, what every compiler that
    calcd's clients were built with does in practice. Results have up to 63 bits, a reply is the low half.
2.  A quotient is truncated toward zero, as C does it, and exact: a double's error in a quotient of 32-bit
    numbers is at most 2**-22 / abs(b), and one that is not a whole number is at least 1 / abs(b) from one.
"""

from struct import Struct, pack

REQUEST = Struct("<iii")
REPLY = Struct("<i")
_unpack = REQUEST.unpack
_pack_low_half = Struct("<I").pack

ADD, SUB, MUL, DIV, QUIT = range(5)

# Why a conversation ends at a frame that gets no reply.
STOP_QUIT, STOP_DIVISION_BY_ZERO, STOP_UNKNOWN_OPERATION = range(1, 4)


class _NoReplyError(Exception):
    """A frame is no request."""


def answer_one(frame: bytes) -> bytes:
    """The reply to a lone request, or b"" when it gets none: as fast as can be, and in as little memory. In a
    fresh handler each page that it touches is a copy."""
    oper, a, b = _unpack(frame)
    if oper == ADD:
        result = a + b
    elif oper == SUB:
        result = a - b
    elif oper == MUL:
        result = a * b
    elif oper == DIV and b:
        result = int(a / b)
    else:
        return b""
    return _pack_low_half(result & 0xFFFFFFFF)


def reason(frame: bytes | memoryview) -> int:
    """Why a frame gets no reply: one of STOP_*."""
    oper, _, _ = _unpack(frame)
    return STOP_QUIT if oper == QUIT else STOP_DIVISION_BY_ZERO if oper == DIV else STOP_UNKNOWN_OPERATION


def answer(frames: bytes | memoryview) -> tuple[bytes, int | None]:
    """Answers a run of whole frames: len(frames) is a multiple of REQUEST.size.

    Returns the replies, 4 bytes for each of the requests that were answered, and the reason when a frame
    ended the conversation; what follows that frame is not looked at.
    """
    results: list[int] = []
    keep = results.append
    stop = None
    try:
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
                else _refuse()
            )
    except (ZeroDivisionError, _NoReplyError):
        at = len(results) * REQUEST.size
        stop = reason(frames[at : at + REQUEST.size])
    # Little-endian: the low halves are the first ones.
    return memoryview(pack(f"<{len(results)}q", *results)).cast("i")[::2].tobytes(), stop


def _refuse() -> int:
    raise _NoReplyError
