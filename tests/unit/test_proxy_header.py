"""The header of the PROXY protocol: what proxies send, what is refused, and what only looks like it.

A second model of it is in tests/fuzz, which compares the two on what a fuzzer finds.
"""

import pytest
from fuzz import proxy_model
from fuzz.targets import header_of
from hypothesis import given
from hypothesis import strategies as st

from calcd.protocol import proxy_header
from calcd.protocol.proxy_header import HeaderError, parse

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
TCP4 = bytes.fromhex("7f000001 7f000001 c3a4 6b09")
TCP6 = bytes.fromhex("20010db8000000000000000000000001 20010db8000000000000000000000002 0050 01bb")
MAPPED = bytes.fromhex("00000000000000000000ffffc0000201 00000000000000000000ffffc0000202 04d2 1b9e")


def binary(version_and_command: int, family: int, rest: bytes = b"", length: int | None = None) -> bytes:
    size = len(rest) if length is None else length
    return SIGNATURE + bytes((version_and_command, family)) + size.to_bytes(2, "big") + rest


WHOLE = {
    # As HAProxy sends them.
    b"PROXY TCP4 127.0.0.1 127.0.0.1 53586 27400\r\n": ("127.0.0.1", 53586),
    b"PROXY TCP6 ::1 ::1 59852 27400\r\n": ("::1", 59852),
    b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1234 7070\r\n": ("192.0.2.1", 1234),
    b"PROXY UNKNOWN\r\n": ("", 0),
    binary(0x21, 0x11, TCP4): ("127.0.0.1", 50084),
    binary(0x21, 0x11, TCP4 + bytes.fromhex("03 0004 4524950c")): ("127.0.0.1", 50084),  # CRC32C
    binary(0x21, 0x11, TCP4 + b"\x05\x00\x15" + b"unique-id-of-21-bytes"): ("127.0.0.1", 50084),
    binary(0x21, 0x21, TCP6): ("2001:db8::1", 80),
    binary(0x21, 0x21, MAPPED): ("192.0.2.1", 1234),
    binary(0x20, 0x00): ("", 0),
    # As others may.
    b"PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n": ("255.255.255.255", 65535),
    b"PROXY TCP6 2001:0DB8:0000:0000:0000:0000:0000:0001 :: 0 65535\r\n": ("2001:db8::1", 0),
    b"PROXY UNKNOWN ffff:ffff anything else\r\n": ("", 0),
    b"PROXY UNKNOWN" + b" " * 92 + b"\r\n": ("", 0),  # as long as a line may be
    binary(0x20, 0x11, TCP4): ("", 0),  # a check of Amazon's load balancer
    binary(0x20, 0xFF, b"\xff" * 7): ("", 0),
    binary(0x21, 0x00): ("", 0),
    binary(0x21, 0x00, b"\xff" * 20): ("", 0),
    binary(0x21, 0x12, TCP4): ("", 0),
    binary(0x21, 0x22, TCP6): ("", 0),
    binary(0x21, 0x31, bytes(216)): ("", 0),
    binary(0x21, 0x32, bytes(216)): ("", 0),
    binary(0x21, 0x11, TCP4 + bytes(4096 - 16 - 12)): ("127.0.0.1", 50084),
}
REFUSED = {
    b"\0\0\0\0\2\0\0\0\3\0\0\0": proxy_header.NO_HEADER,
    b"PING\r\n": proxy_header.NO_HEADER,
    b"*1\r\n$4\r\nPING\r\n": proxy_header.NO_HEADER,
    b"PROXY\r\n": proxy_header.NO_HEADER,
    b"proxy TCP4 127.0.0.1 127.0.0.1 1 1\r\n": proxy_header.NO_HEADER,
    b"\r\nADD 2 3\r\n": proxy_header.NO_HEADER,
    b"PROXY UNKNOWN\n": proxy_header.BAD_END,
    b"PROXY UNKNOWN\r\r\n": proxy_header.BAD_END,
    b"PROXY UNKNOWN\rX": proxy_header.BAD_END,
    b"PROXY TCP4 127.0.0.1\n 127.0.0.1 1 1\r\n": proxy_header.BAD_END,
    b"PROXY UNKNOWN" + b" " * 93 + b"\r\n": proxy_header.BAD_END,
    b"PROXY " + b"A" * 101: proxy_header.BAD_END,
    b"PROXY TCP4 127.0.0.1 127.0.0.1 1\r\n": proxy_header.BAD_LINE,
    b"PROXY TCP4 127.0.0.1 127.0.0.1 1 1 1\r\n": proxy_header.BAD_LINE,
    b"PROXY  TCP4 127.0.0.1 127.0.0.1 1 1\r\n": proxy_header.BAD_LINE,
    b"PROXY TCP4 127.0.0.1 127.0.0.1 1 1 \r\n": proxy_header.BAD_LINE,
    b"PROXY tcp4 127.0.0.1 127.0.0.1 1 1\r\n": proxy_header.BAD_LINE,
    b"PROXY UNKNOWNS\r\n": proxy_header.BAD_LINE,
    b"PROXY \r\n": proxy_header.BAD_LINE,
    b"PROXY TCP4 010.0.2.9 127.0.0.1 1 1\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP4 127.0.0.1 127.1 1 1\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP4 ::1 ::1 1 1\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP6 127.0.0.1 127.0.0.1 1 1\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP6 ::1 127.0.0.1 1 1\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP6 ::ffff:010.0.2.9 ::1 1 1\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP4 127.0.0.1\0 127.0.0.1 1 1\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP4 \xff 127.0.0.1 1 1\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP4 127.0.0.1 127.0.0.1 111111 1\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP4 127.0.0.1 127.0.0.1 65536 1\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP4 127.0.0.1 127.0.0.1 1 65536\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP4 127.0.0.1 127.0.0.1 01 1\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP4 127.0.0.1 127.0.0.1 +1 1\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP4 127.0.0.1 127.0.0.1 \xb2 1\r\n": proxy_header.BAD_ADDRESS,
    b"PROXY TCP4 127.0.0.1 127.0.0.1  1\r\n": proxy_header.BAD_ADDRESS,
    binary(0x11, 0x11, TCP4): proxy_header.BAD_VERSION,
    binary(0x31, 0x11, TCP4): proxy_header.BAD_VERSION,
    binary(0x22, 0x11, TCP4): proxy_header.BAD_COMMAND,
    binary(0x21, 0x41, TCP4): proxy_header.BAD_FAMILY,
    binary(0x21, 0x13, TCP4): proxy_header.BAD_FAMILY,
    binary(0x21, 0x11, TCP4[:11]): proxy_header.TOO_SHORT,
    binary(0x21, 0x12, TCP4[:11]): proxy_header.TOO_SHORT,
    binary(0x21, 0x21, TCP6[:35]): proxy_header.TOO_SHORT,
    binary(0x21, 0x31, bytes(215)): proxy_header.TOO_SHORT,
    binary(0x21, 0x11, length=4096 - 16 + 1): proxy_header.TOO_LONG,
    binary(0x20, 0x00, length=0xFFFF): proxy_header.TOO_LONG,
}


@pytest.mark.parametrize(("header", "source"), WHOLE.items())
def test_a_header_names_its_client_or_nobody_whatever_follows(header: bytes, source: tuple[str, int]) -> None:
    assert parse(header) == (len(header), *source)
    assert parse(header + b"\r\nADD 2 3\r\n") == (len(header), *source)


@pytest.mark.parametrize("header", WHOLE)
def test_a_header_that_comes_byte_by_byte_is_waited_for(header: bytes) -> None:
    assert {parse(header[:size]) for size in range(len(header))} == {None}


@pytest.mark.parametrize(("header", "reason"), REFUSED.items())
def test_what_is_no_header_is_refused_for_a_reason(header: bytes, reason: int) -> None:
    for data in (header, header + bytes(4096)):
        with pytest.raises(HeaderError) as refused:
            parse(data)
        assert refused.value.args == (reason,)


def test_every_reason_is_shown() -> None:
    assert {*REFUSED.values()} == {*proxy_header.REASONS}


def test_the_second_model_agrees() -> None:
    for header in (*WHOLE, *REFUSED):
        for size in range(len(header)):
            assert header_of(header[:size]) == proxy_model.read(header[:size])
        assert header_of(header) == proxy_model.read(header)


LINES = st.tuples(
    st.sampled_from([b"TCP4", b"TCP6"]),
    *[st.ip_addresses().map(lambda address: str(address).encode())] * 2,
    *[st.integers(0, 70_000).map(lambda port: b"%d" % port)] * 2,
).map(lambda words: b"PROXY " + b" ".join(words) + b"\r\n")
BINARIES = st.builds(
    binary,
    st.sampled_from([0x20, 0x21, 0x22]),
    st.sampled_from([0x00, 0x11, 0x12, 0x21, 0x31, 0x41, 0x13]),
    st.binary(max_size=300),
)


@given(LINES | BINARIES | st.binary())
def test_any_bytes_are_taken_as_the_second_model_takes_them(data: bytes) -> None:
    assert header_of(data) == proxy_model.read(data)
