"""What handlers report, also one that strangers have got the better of."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from calcd.handler import report
from calcd.handler.report import (
    ACCEPTED,
    ARRIVED,
    ENDED,
    FAILED,
    HEADER_REFUSED,
    PROGRESS,
    PROXIED,
    START,
    accepted,
    arrived,
    ended,
    failed,
    header_refused,
    progress,
    proxied,
)

CLASSIC = (report.CLASSIC, 0, 0, 0, 0)
GOOD = (ENDED, 7, True, 1_000, report.QUIT, 1, 24, 4, b"", *CLASSIC)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = report.open_pipe()
    yield ends
    for end in ends:
        os.close(end)


def all_of(pipe: int) -> list[tuple[Any, ...]]:
    return [fields for _, fields in report.read(pipe)]


def test_what_handlers_report_arrives_in_order(pipe: tuple[int, int]) -> None:
    reading_end, writing_end = pipe
    told: list[tuple[Any, ...]] = [
        (ACCEPTED, 7, False, b"[2001:db8::1]:4321"),
        (ACCEPTED, 8, True, b"192.0.2.1:4321"),
        (FAILED, 9, 24),
        (PROGRESS, 10, 1_000, 9_000, 4_000, 1, 2, 3, 4),
        (ENDED, 8, False, 2_000, report.TRUNCATED, 0, 3, 0, b"abc", *CLASSIC),
        (ENDED, 10, False, 2_000_000, report.QUIT, 2_000, 18_000, 8_000, b"", report.RESP, 1, 2, 3, 4),
        (ARRIVED, 11),
        (PROXIED, 11, True, b"[2001:db8::1]:4321", b"192.0.2.1:4321"),
        GOOD,
    ]
    packs = {ACCEPTED: accepted, ENDED: ended, FAILED: failed, PROGRESS: progress}
    packs |= {ARRIVED: arrived, PROXIED: proxied}
    for kind, *others in told:
        os.write(writing_end, START + packs[kind](kind, *others))
    assert all_of(reading_end) == told
    assert all_of(reading_end) == []


def test_what_a_proxy_has_sent_is_shown_from_its_beginning_and_never_looks_like_a_report(
    pipe: tuple[int, int],
) -> None:
    reading_end, writing_end = pipe
    for sent in (b"", b"PROXY TCP4 ", START * 10):
        record = header_refused(HEADER_REFUSED, 7, report.HEADER_CUT_OFF, b"192.0.2.1:4321", sent)
        os.write(writing_end, START + record)
        ((_, _, _, _, digits),) = all_of(reading_end)
        assert bytes.fromhex(digits.decode()) == sent[:60]


def test_the_pipe_has_room_for_what_a_busy_listener_leaves_there(pipe: tuple[int, int]) -> None:
    reading_end, writing_end = pipe
    os.set_blocking(writing_end, False)
    written = 0
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writing_end, START + ended(*GOOD))
            written += 1
    assert written > 500
    assert all_of(reading_end) == [GOOD] * written


def test_a_client_cannot_send_what_would_look_like_two_reports(pipe: tuple[int, int]) -> None:
    reading_end, writing_end = pipe
    told = [
        (ENDED, 7, True, 1_000, report.TRUNCATED, 0, 12, 0, START[at:][:12], *CLASSIC)
        for at in range(len(START))
    ]
    for fields in told:
        os.write(writing_end, START + ended(*fields))
    assert all_of(reading_end) == told


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\0",
        ended(*GOOD)[:-1],
        *(START[:length] for length in range(1, len(START) + 1)),
        b"\0" * 4000,
        bytes((99,)) + ended(*GOOD)[1:],
        ended(ENDED, 7, True, 0, 99, 0, 0, 0, b"", *CLASSIC),
        ended(ENDED, 7, True, 0, -1, 0, 0, 0, b"", *CLASSIC),
        ended(ENDED, 7, True, 0, report.UNKNOWN_OPERATION, 0, 0, 0, b"", *CLASSIC),
        ended(ENDED, 7, True, 0, report.QUIT, 0, 0, 0, b"", report.RESP + 1, 0, 0, 0, 0),
        accepted(ACCEPTED, 7, False, b"192.0.2.1:4321\nfake line"),
        accepted(ACCEPTED, 7, False, b"\xff"),
        proxied(PROXIED, 7, False, b"192.0.2.1:4321", b"192.0.2.1:4321\nfake line"),
        proxied(PROXIED, 7, False, b"192.0.2.1:4321\nfake line", b"192.0.2.1:4321"),
        header_refused(HEADER_REFUSED, 7, 0, b"192.0.2.1:4321", b""),
        header_refused(HEADER_REFUSED, 7, report.UNTRUSTED_PROXY + 1, b"192.0.2.1:4321", b""),
        header_refused(HEADER_REFUSED, 7, report.HEADER_LATE, b"\xff", b""),
        header_refused(HEADER_REFUSED, 7, report.HEADER_LATE, b"", b"a").replace(b"\x0261", b"\x0161"),
        header_refused(HEADER_REFUSED, 7, report.HEADER_LATE, b"", b"a").replace(b"\x0261", b"\x026x"),
    ],
    ids=[
        *("a byte", "cut short", *(f"{length} bytes of a mark" for length in range(1, len(START) + 1))),
        *("very long", "no kind", "ending 99", "ending -1"),
        *("no unknown operation", "no protocol", "a peer of two lines", "a peer that is no text"),
        *("a proxy of two lines", "its client of two lines", "no reason", "reason 13"),
        *("a proxy that is no text", "half a byte", "no digit"),
    ],
)
@pytest.mark.parametrize("is_marked", [True, False], ids=["marked as one", "bare"])
def test_what_is_no_report_counts_as_none_and_spoils_no_other(
    pipe: tuple[int, int], nonsense: bytes, is_marked: bool
) -> None:
    reading_end, writing_end = pipe
    os.write(writing_end, START + ended(*GOOD))
    os.write(writing_end, START + nonsense if is_marked else nonsense)
    os.write(writing_end, START + ended(*GOOD))
    assert all_of(reading_end) == [GOOD, GOOD]


def test_what_follows_a_report_goes_no_further(pipe: tuple[int, int]) -> None:
    reading_end, writing_end = pipe
    os.write(writing_end, START + ended(*GOOD) + b"\0" * 4000)
    assert report.read(reading_end) == [(ended(*GOOD), GOOD)]
