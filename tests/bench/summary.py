"""What the rounds of a run come to."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from bench.measure import Figure, Load
from bench.servers import BASELINE, Server

Rounds = Mapping[tuple[Load, Server], Sequence[Figure]]


class Summary(NamedTuple):
    """Medians of all rounds; a ratio is to the baseline in the same round."""

    ratio: float
    lowest: float
    highest: float
    value: float
    p50: float
    p99: float


def summarize(rounds: Rounds, load: Load, server: Server) -> Summary:
    figures = rounds[load, server]
    ratios = [
        figure.value / baseline.value
        for figure, baseline in zip(figures, rounds[load, BASELINE], strict=True)
    ]
    return Summary(median(ratios), min(ratios), max(ratios), *map(median, zip(*figures, strict=True)))
