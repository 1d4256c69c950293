"""What handlers report, also one that strangers have got the better of."""

import os
from collections.abc import Iterator

import pytest

from calcd.handler import report
from calcd.handler.report import Inbox, encode, open_pipe

GOOD = encode(7, report.QUIT, 1, 24, 4, b"")


@pytest.fixture
def pipe() -> Iterator[tuple[Inbox, int]]:
    reading_end, writing_end = open_pipe()
    yield Inbox(reading_end), writing_end
    os.close(reading_end)
    os.close(writing_end)


def test_each_handler_has_its_own_report(pipe: tuple[Inbox, int]) -> None:
    inbox, writing_end = pipe
    other = encode(8, report.TRUNCATED, 0, 3, 0, b"abc")
    os.write(writing_end, other)
    os.write(writing_end, GOOD)
    assert inbox.take(7) == GOOD
    assert inbox.take(8) == other
    assert inbox.take(8) == b""


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\0",
        GOOD[:-1],
        GOOD + b"\0",
        b"\0" * report.SIZE * 40,
        encode(7, 99, 0, 0, 0, b""),
        encode(7, -1, 0, 0, 0, b""),
        encode(7, report.UNKNOWN_OPERATION, 0, 0, 0, b""),
    ],
    ids=["a byte", "cut short", "too long", "very long", "ending 99", "ending -1", "no unknown operation"],
)
def test_what_is_no_report_counts_as_none_and_spoils_no_other(
    pipe: tuple[Inbox, int], nonsense: bytes
) -> None:
    inbox, writing_end = pipe
    os.write(writing_end, nonsense)
    assert inbox.take(7) == b""
    os.write(writing_end, nonsense)
    os.write(writing_end, GOOD)
    assert inbox.take(7) == GOOD
