"""A reply in RESP, taken apart."""

from __future__ import annotations

import re
from typing import NamedTuple


class Value(NamedTuple):
    """What a reply is: its first byte, and its text or its items. Null is _ in both versions."""

    kind: bytes
    text: bytes = b""
    items: tuple[Value, ...] = ()


def read_value(data: bytes, at: int, version: int) -> tuple[Value, int]:
    """A reply that has to be whole, and where it ends."""
    end = data.index(b"\r\n", at)
    kind, head = data[at : at + 1], data[at + 1 : end]
    at = end + 2
    assert kind in (b"+-:$*" if version == 2 else b"+-:$*%~=_"), (kind, version)
    if kind == b":":
        assert re.fullmatch(rb"-?\d{1,19}", head)
    if kind in (b"+", b"-", b":", b"_"):
        assert not re.search(rb"[\r\n]", head)
        return Value(kind, head), at
    if head == b"-1":
        assert kind == b"$"
        return Value(b"_"), at
    size = int(head)
    if kind in (b"$", b"="):
        assert data[at + size : at + size + 2] == b"\r\n"
        return Value(kind, data[at : at + size]), at + size + 2
    items = []
    for _ in range(2 * size if kind == b"%" else size):
        item, at = read_value(data, at, version)
        items.append(item)
    return Value(kind, items=tuple(items)), at
