"""The calculator: computes the replies to the frames of the classic protocol (calcd.protocol.classic).

1.  The module is separate from calcd.protocol.classic because a handler pays for its imports: enum alone
    takes 600 KiB of memory, and every fork copies the page tables of that.
2.  The four operations are written out twice. With a function call for each request, a request would take
    half as long again.
3.  An overflow, which C leaves undefined, wraps in two's complement. This is what every compiler that calcd's
    clients were built with does in practice. Results have up to 63 bits; a reply is the low half.
4.  A quotient is truncated toward zero, as in C, and it is exact. A double's error in a quotient of 32-bit
    numbers is at most 2**-22 / abs(b). A quotient that is not a whole number differs from any whole number by
    at least 1 / abs(b).
"""

from struct import Struct, pack

REQUEST = Struct("<iii")
REPLY = Struct("<i")
_unpack = REQUEST.unpack
_pack_low_half = Struct("<I").pack

ADD, SUB, MUL, DIV, QUIT = range(5)

# Why the connection ends at a frame that gets no reply.
STOP_QUIT, STOP_DIVISION_BY_ZERO, STOP_UNKNOWN_OPERATION = range(1, 4)


class _NoReplyError(Exception):
    """A frame gets no reply."""


def answer_one(frame: bytes) -> bytes:
    """Returns the reply to a single request, or b"" if it gets none.

    It is as fast as possible and touches as little memory as possible: in a fresh handler, each page that is
    touched is copied.
    """
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
    """Returns why a frame gets no reply: one of STOP_*."""
    oper, _, _ = _unpack(frame)
    return STOP_QUIT if oper == QUIT else STOP_DIVISION_BY_ZERO if oper == DIV else STOP_UNKNOWN_OPERATION


def answer(frames: bytes | memoryview) -> tuple[bytes, int | None]:
    """Answers a run of whole frames: len(frames) is a multiple of REQUEST.size.

    Returns the replies, 4 bytes for each request that was answered, and the reason (one of STOP_*) if a frame
    ended the connection, else None. Frames behind that one are ignored.
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
    # In little-endian order, the low half of each result comes first.
    return memoryview(pack(f"<{len(results)}q", *results)).cast("i")[::2].tobytes(), stop


def _refuse() -> int:
    raise _NoReplyError
