"""A fuzzer's bytes as a client's behaviour: a head, and the stream that it sends.

byte 0    how the client behaves: the flags below
byte 1    how many cuts follow, modulo 32
...       a byte for each cut: how far from the one before it
the rest  the stream
"""

import random
import struct
from collections.abc import Callable
from typing import NamedTuple

GONE = 1  # closes before it reads
NARROW = 2  # has little room for replies
DRAINED = 4  # calcd stops
LIMITED = 8  # MaxRequests=3
REPEATED = 16  # sends its stream again and again, up to 72 KB: more than one read takes
SILENT = 32  # stays when it has said everything, until a deadline is over
SLOW = REPEATED | SILENT

ChangeStream = Callable[[bytes, random.Random], bytes]

_MAX_CUTS = 32
_MOST = 72_000
LIMIT = 3

_INTERESTING = (0, 1, -1, 2, 3, 4, 5, 7, -7, 0x10000, 46341, 0x7FFFFFFF, -0x80000000, -0x7FFFFFFF)
_STRANGERS = (
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"SSH-2.0-x\r\n",
    b"{}",
)


class Input(NamedTuple):
    flags: int
    cuts: bytes
    body: bytes

    @property
    def stream(self) -> bytes:
        if self.flags & REPEATED and self.body:
            return self.body * (_MOST // len(self.body))
        return self.body

    def pieces(self) -> list[bytes]:
        """The stream as it is sent; the last piece is what the cuts leave."""
        stream = self.stream
        pieces = []
        for cut in self.cuts:
            pieces.append(stream[:cut])
            stream = stream[cut:]
        return [piece for piece in (*pieces, stream) if piece]

    def encode(self) -> bytes:
        return bytes((self.flags, len(self.cuts))) + self.cuts + self.body


def decode(data: bytes) -> Input:
    """Any bytes are an input."""
    flags, count = (*data[:2], 0, 0)[:2]
    cuts = data[2 : 2 + count % _MAX_CUTS]
    return Input(flags, cuts, data[2 + count % _MAX_CUTS :])


# --- Changes that know what a request is. libFuzzer's own, which know bytes, do the rest.


def _frame(dice: random.Random) -> bytes:
    def number() -> int:
        return dice.choice(_INTERESTING) if dice.random() < 0.7 else dice.randrange(-(2**31), 2**31)

    kind = dice.random()
    oper = dice.randrange(4) if kind < 0.8 else 4 if kind < 0.85 else number()
    return struct.pack("<iii", oper, number(), number())


def change_stream(stream: bytes, dice: random.Random) -> bytes:
    """The stream with some requests more, fewer, or other ones."""
    at = dice.randrange(len(stream) // 12 + 1) * 12
    behind = at + 12 * dice.randrange(4)
    before, after = stream[:at], stream[at:]
    match dice.randrange(7):
        case 0:
            after = _frame(dice) + after
        case 1:
            after = _frame(dice) + after[12:]
        case 2:
            after = stream[behind:]
        case 3:
            before = stream[:behind]
        case 4:
            after += b"".join(_frame(dice) for _ in range(dice.randrange(1, 40)))
        case 5:
            after = after[: dice.randrange(len(after) + 1)]
        case _:
            after = dice.choice(_STRANGERS) + after
    return before + after


def hurry(data: bytes) -> bytes:
    """The input without what takes 20 ms and not 0.2."""
    return bytes((data[0] & ~SLOW,)) + data[1:] if data else data


def change(data: bytes, dice: random.Random, change_stream: ChangeStream = change_stream) -> bytes:
    """An input with another stream, other cuts, or another behaviour."""
    flags, cuts, body = decode(data)
    match dice.randrange(4):
        case 0:
            flags ^= 1 << dice.randrange(6)
        case 1:
            cuts = bytes(
                dice.choice((1, 3, 4, 8, 11, 12, 13, 24, 252, 255)) for _ in range(dice.randrange(8))
            )
        case _:
            body = change_stream(body, dice)
    return Input(flags, cuts, body).encode()
