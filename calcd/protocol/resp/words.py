"""A line to words, with quotes as redis-cli has them.

A line has up to 64 KiB. Byte by byte, it would take 15 ms; so bytes are looked for, and taken in slices.
"""

from calcd.protocol.resp.errors import ProtocolError

_BLANKS = b" \t\n\v\f\r"  # what bytes.split() splits at
_ESCAPED = dict(zip(b"nrtba", b"\n\r\t\b\a", strict=True))
_BOTH_QUOTES = bytes.maketrans(b"'", b'"')
_HEX = frozenset(b"0123456789abcdefABCDEF")
_APOSTROPHE, _X = b"'x"


def words_of(line: bytes, most: int) -> list[bytes]:
    """The words of a line, or some that are more than most. Raises ProtocolError if a quote has no other, or
    a word goes on behind it."""
    quotes = line.translate(_BOTH_QUOTES)
    words: list[bytes] = []
    at = 0
    while (quote := quotes.find(b'"', at)) >= 0 and len(words) <= most:
        words += line[at:quote].split()
        begins_within = quote > at and line[quote - 1] not in _BLANKS
        before = words.pop() if begins_within else b""
        text, at = _quoted(line, quote)
        if at < len(line) and line[at] not in _BLANKS:
            raise ProtocolError("unbalanced quotes in request")
        words.append(before + text)
    return words + line[at:].split()


def _quoted(line: bytes, begin: int) -> tuple[bytearray, int]:
    """The text between the quote at a position and the next one like it, and the position behind that."""
    quote = line[begin : begin + 1]
    text = bytearray()
    at = begin + 1
    end = line.find(quote, at)
    while end >= 0:
        backslash = line.find(b"\\", at, end)
        if backslash < 0:
            text += line[at:end]
            return text, end + 1
        text += line[at:backslash]
        escaped = line[backslash + 1]
        at = backslash + 2
        if quote == b"'" and escaped != _APOSTROPHE:
            text += b"\\"
            at -= 1
        elif escaped == _X and line[at] in _HEX and line[at + 1] in _HEX:
            text.append(int(line[at : at + 2], 16))
            at += 2
        else:
            text.append(_ESCAPED.get(escaped, escaped))
        if end < at:  # that quote was escaped
            end = line.find(quote, at)
    raise ProtocolError("unbalanced quotes in request")
