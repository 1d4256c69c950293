"""The forms a server's address has."""

import pytest

from calcd.client.address import parse
from calcd.client.errors import AddressError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7070", ("127.0.0.1", 7070)),
        ("calc.example.org:1", ("calc.example.org", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("[fe80::1%eth0]:7070", ("fe80::1%eth0", 7070)),
        ("unix:/run/calcd/calcd.sock", "/run/calcd/calcd.sock"),
        ("unix:/a:b", "/a:b"),
    ],
)
def test_each_form_is_understood(text: str, address: tuple[str, int] | str) -> None:
    assert parse(text) == address


@pytest.mark.parametrize(
    "text",
    ["localhost", "localhost:", ":7070", "::1", "::1:7070", "[]:7070", "[::1]", "h:+1", "h:0", "h:65536",
     "h:999999", "unix:", "unix:relative", "http://h:1", "h:1 ",
     "h\0:1"],
)  # fmt: skip
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse(text)
    assert repr(text) in str(caught.value)
