"""Values to the bytes of replies. version is 2 or 3, the RESP that the client has chosen."""

OK = b"+OK\r\n"
_INTEGERS_END = 1 << 63


def simple(text: str) -> bytes:
    """text is one line."""
    return b"+%b\r\n" % text.encode("latin-1")


def error(text: str) -> bytes:
    """text begins with the word that clients tell errors apart by.

    A client's bytes are in it as latin-1. Their line ends become blanks.
    """
    return b"-%b\r\n" % text.encode("latin-1", errors="replace").replace(b"\r", b" ").replace(b"\n", b" ")


def integer(number: int) -> bytes:
    """number fits 64 bits."""
    return b":%d\r\n" % number


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


def number(value: int) -> bytes:
    """An integer, or the digits as a bulk string where 64 bits do not suffice.

    RESP3 has a form for these that breaks clients: redis-cli knows it in no version.
    """
    if -_INTEGERS_END <= value < _INTEGERS_END:
        return b":%d\r\n" % value
    return bulk(b"%d" % value)


def array(replies: list[bytes]) -> bytes:
    return b"*%d\r\n%b" % (len(replies), b"".join(replies))


def mapping(version: int, replies: list[bytes]) -> bytes:
    """Keys and values in turn: an array in RESP2, and a map in RESP3."""
    if version == 2:
        return array(replies)
    return b"%%%d\r\n%b" % (len(replies) // 2, b"".join(replies))


def null(version: int) -> bytes:
    return b"$-1\r\n" if version == 2 else b"_\r\n"


def text(version: int, lines: bytes) -> bytes:
    """Lines for people: a bulk string in RESP2, and a verbatim string in RESP3."""
    if version == 2:
        return bulk(lines)
    return b"=%d\r\ntxt:%b\r\n" % (len(lines) + 4, lines)
