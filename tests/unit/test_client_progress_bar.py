"""What the progress bar shows, and what is kept for the statistics."""

from collections import Counter

import pytest

from calcd.client.program.progress import clock, describe
from calcd.client.program.statistics import percentile, rounded


@pytest.mark.parametrize(
    ("lines", "taken", "size", "seconds", "shown"),
    [
        (1500, 300, 1200, 2.0, "1,500 lines  750/s  [=====               ]  25%  0:06 left"),
        (1_000_000, 1200, 1200, 10.0, "1,000,000 lines  100,000/s  [====================] 100%  0:00 left"),
        (0, 0, 1200, 2.0, "0 lines  0/s  [                    ]   0%  0:00 left"),
        (9, 1300, 1200, 1.0, "9 lines  9/s  [====================] 100%  0:00 left"),  # the file grows
        (1500, 300, None, 2.0, "1,500 lines  750/s"),
    ],
)
def test_lines_rate_and_the_time_left_are_shown(
    lines: int, taken: int, size: int | None, seconds: float, shown: str
) -> None:
    assert describe(lines, taken, size, seconds) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (61, "1:01"), (3723, "1:02:03")])
def test_times_are_those_of_a_clock(seconds: int, shown: str) -> None:
    assert clock(seconds) == shown


def test_percentiles_are_times_that_so_many_do_not_exceed() -> None:
    times = Counter(n / 1000 for n in range(1, 101))
    assert percentile(times, 50) == 0.05
    assert percentile(times, 99) == 0.099
    assert percentile(Counter([0.5]), 99) == 0.5
    assert percentile(Counter({0.1: 98, 0.2: 1, 0.3: 1}), 99) == 0.2
    with pytest.raises(ValueError, match="no times"):
        percentile(Counter(), 50)


def test_a_time_has_three_digits_whatever_its_size() -> None:
    assert [rounded(s) for s in (0.000123456, 1.23456, 98765.4)] == [0.000123, 1.23, 98800.0]
