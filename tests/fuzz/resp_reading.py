"""The bytes of RESP to commands, one after the other, with regular expressions."""

import re


class BrokenError(Exception):
    """A protocol error."""


_WORD = re.compile(
    rb"""[ \t\n\v\f\r]* (?! [ \t\n\v\f\r] | \Z )
    ( [^ \t\n\v\f\r"']*
      (?: "(?P<double> (?: \\. | [^"\\] )* )" | '(?P<single> (?: \\' | [^'\\] | \\(?!') )* )' )?
    )
    (?= [ \t\n\v\f\r] | \Z )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)]) if found[1] else _ESCAPES.get(found[2], found[2])


def read_line(line: bytes) -> list[bytes]:
    words: list[bytes] = []
    at = 0
    while line[at:].strip(b" \t\n\v\f\r"):
        found = _WORD.match(line, at)
        if not found:
            raise BrokenError("unbalanced quotes in request")
        word = found[1]
        if found["double"] is not None:
            quoted = re.sub(rb"(?s)\\(?:x([0-9a-fA-F]{2})|(.))", _unescaped, found["double"])
            word = word[: word.index(b'"')] + quoted
        elif found["single"] is not None:
            word = word[: word.index(b"'")] + found["single"].replace(rb"\'", b"'")
        words.append(word)
        at = found.end()
    if len(words) > 1024:
        raise BrokenError("too big inline request")
    return words


def _read_number(stream: bytes, at: int, kind: str, most: int) -> tuple[int, int] | None:
    long_kind = {"multibulk": "mbulk count", "bulk": "bulk count"}[kind]
    head = stream[at + 1 : at + 13]
    if b"\r" not in head:
        if len(head) == 12:
            raise BrokenError(f"too big {long_kind} string")
        return None
    digits = head[: head.index(b"\r")]
    end = at + 1 + len(digits) + 2
    if len(stream) < end:
        return None
    pattern = rb"0|-?[1-9][0-9]*" if kind == "multibulk" else rb"0|[1-9][0-9]*"
    if stream[end - 1 : end] != b"\n" or not re.fullmatch(pattern, digits) or int(digits) > most:
        raise BrokenError(f"invalid {kind} length")
    return int(digits), end


def read_command(  # noqa: PLR0911 - one for each thing that can be missing
    stream: bytes, at: int
) -> tuple[list[bytes], int] | None:
    """The words of a command, none for an empty one, and where it ends; None if it is not whole."""
    if stream[at : at + 1] != b"*":
        line = stream[at : at + 65_537]
        if b"\n" not in line:
            if len(line) == 65_537:
                raise BrokenError("too big inline request")
            return None
        line = line[: line.index(b"\n")]
        return read_line(line), at + len(line) + 1
    number = _read_number(stream, at, "multibulk", 1024)
    if number is None:
        return None
    count, at = number
    words: list[bytes] = []
    while len(words) < count:
        dollar = stream[at : at + 1]
        if not dollar:
            return None
        if dollar != b"$":
            raise BrokenError(f"expected '$', got '{dollar.decode('latin-1')}'")
        number = _read_number(stream, at, "bulk", min(65_536, 1_048_576 - sum(map(len, words))))
        if number is None:
            return None
        size, at = number
        if len(stream) < at + size + 2:
            return None
        if stream[at + size : at + size + 2] != b"\r\n":
            raise BrokenError("expected CR LF behind a bulk string")
        words.append(stream[at : at + size])
        at += size + 2
    return words, at
