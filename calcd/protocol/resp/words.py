"""A line to words, with quotes as redis-cli has them."""

from calcd.protocol.resp.errors import ProtocolError

_BLANKS = b" \t\n\v\f\r"  # what bytes.split() splits at
_ESCAPES = {ord("n"): 10, ord("r"): 13, ord("t"): 9, ord("b"): 8, ord("a"): 7}
_BACKSLASH, _QUOTE, _APOSTROPHE, _X = b"\\\"'x"
_HEX = b"0123456789abcdefABCDEF"


def words_of(line: bytes) -> list[bytes]:
    """The words of a line. Raises ProtocolError if a quote has no other, or has more behind it."""
    if b'"' not in line and b"'" not in line:
        return line.split()
    words: list[bytes] = []
    at = 0
    while True:
        while line[at : at + 1] and line[at] in _BLANKS:
            at += 1
        if at == len(line):
            return words
        word = bytearray()
        while at < len(line) and line[at] not in _BLANKS:
            if line[at] in (_QUOTE, _APOSTROPHE):
                at = _take_quoted(line, at, word)
                if at < len(line) and line[at] not in _BLANKS:
                    raise ProtocolError("unbalanced quotes in request")
            else:
                word.append(line[at])
                at += 1
        words.append(bytes(word))


def _take_quoted(line: bytes, at: int, word: bytearray) -> int:
    """Adds what is between the quote at a position and the next one to the word. Returns where it goes on."""
    quote = line[at]
    at += 1
    while at < len(line):
        byte = line[at]
        at += 1
        if byte == quote:
            return at
        if byte == _BACKSLASH and at < len(line):
            escaped = line[at]
            if quote == _APOSTROPHE:
                if escaped == _APOSTROPHE:
                    byte = escaped
                    at += 1
            else:
                digits = line[at + 1 : at + 3]
                if escaped == _X and len(digits) == 2 and all(digit in _HEX for digit in digits):
                    byte = int(digits, 16)
                    at += 3
                else:
                    byte = _ESCAPES.get(escaped, escaped)
                    at += 1
        word.append(byte)
    raise ProtocolError("unbalanced quotes in request")
