"""What is said of clients that do not speak the protocol."""

import struct

import pytest

from calcd.protocol.classic import Operation
from calcd.protocol.foreign import looks_like, shown


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (b"GET / HTTP/1", "HTTP"),
        (b"PRI * HTTP/2", "HTTP/2"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x8a", "TLS"),
        (b"SSH-2.0-Open", "SSH"),
        (b"EHLO there\r\n", "SMTP"),
        (b"*1\r\n$4\r\nPING", "Redis"),
        (b'{"add": [1, ', "JSON"),
        (b"hello\r\n", "text"),
        (b"\xff\xfe\xfd\xfc" * 3, "nothing that calcd knows"),
    ],
)
def test_a_stranger_is_recognised(frame: bytes, name: str) -> None:
    assert looks_like(frame) == name


@pytest.mark.parametrize("operation", [operation for operation in Operation if operation])
def test_a_client_with_the_other_byte_order_is_told_apart(operation: int) -> None:
    assert "big-endian" in looks_like(struct.pack(">iii", operation, 6, 7))


def test_bytes_are_shown_as_text_or_as_the_integers_of_a_request() -> None:
    assert shown(b"GET / HTTP/1") == "'GET / HTTP/1'"
    assert shown(struct.pack("<iii", 5, -1, 7)) == "05000000 ffffffff 07000000 (5, -1, 7)"
    assert shown(b"\x16\x03\x01") == "16 03 01"


def test_a_classic_client_is_told_apart_where_classic_is_not_spoken() -> None:
    assert "Protocols=" in looks_like(struct.pack("<iii", Operation.MUL, 6, 7))
