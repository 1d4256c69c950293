"""What the rounds of a run come to."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from bench.debians import Debian
from bench.measure import Figure, Load
from bench.servers import BASELINE, CLASSIC, RESP, RESP_BASELINE, Server

Rounds = Mapping[tuple[Debian, Load, Server], Sequence[Figure]]


class Summary(NamedTuple):
    """Medians of all rounds; a ratio is to the baseline in the same round."""

    ratio: float
    lowest: float
    highest: float
    value: float
    p50: float
    p99: float


def baseline(load: Load) -> Server:
    return RESP_BASELINE if load.is_resp else BASELINE


def servers(load: Load) -> Sequence[Server]:
    return RESP if load.is_resp else CLASSIC


def summarize(rounds: Rounds, debian: Debian, load: Load, server: Server) -> Summary:
    figures = rounds[debian, load, server]
    bases = rounds[debian, load, baseline(load)]
    ratios = [figure.value / base.value for figure, base in zip(figures, bases, strict=True)]
    return Summary(median(ratios), min(ratios), max(ratios), *map(median, zip(*figures, strict=True)))


def best(
    rounds: Rounds, debian: Debian, load: Load, among: Sequence[Server]
) -> tuple[Server, Summary] | None:
    """The one with the highest rate, or the least memory."""
    summaries = {server: summarize(rounds, debian, load, server) for server in among}
    if not summaries:
        return None
    choose = min if load.mode == "hold" else max
    chosen = choose(summaries, key=lambda server: summaries[server].ratio)
    return chosen, summaries[chosen]
