"""The replies of RESP, as the model writes them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from support.resp_value import Value


class Shaped(NamedTuple):
    """A reply whose exact text is not the model's business."""

    version: int
    is_right: Callable[[Value], bool]


Expected = bytes | Shaped


class TalkError(Exception):
    """The reply is an error."""


def line_of(error: str) -> bytes:
    return b"-" + re.sub(rb"[\r\n]", b" ", error.encode("latin-1")) + b"\r\n"


def string(text: bytes) -> bytes:
    return b"$" + str(len(text)).encode() + b"\r\n" + text + b"\r\n"


def number(value: int) -> bytes:
    digits = str(value).encode()
    return b":" + digits + b"\r\n" if -(2**63) <= value <= 2**63 - 1 else string(digits)


def shown(word: bytes, length: int = 128) -> str:
    return word.decode("latin-1")[:length]
