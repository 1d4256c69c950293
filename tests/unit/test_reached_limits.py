"""Limits that are reached, by listener and source: what is logged, counted, and handed over."""

import re
from collections.abc import Sequence

import pytest

from calcd.listener import admission
from calcd.log.log import Log
from calcd.settings.table import Settings
from calcd.settings.values import LogLevel, LogTarget
from calcd.supervisor.counts.counters import Counters
from calcd.supervisor.counts.reached_limits import Reached, ReachedLimits
from calcd.supervisor.events import Limit

SETTINGS = Settings(max_connections_per_source=3, max_rate_per_source=5)
SOURCES = [f"10.1.{number // 256}.{number % 256}" for number in range(1000)]
FIRST, SECOND = 1001, 1002  # PIDs of listeners


class Supervisor:
    """What a supervisor has of them, and what it logs."""

    def __init__(self, present: Sequence[Reached] = ()) -> None:
        self.counters = Counters()
        self.limits = ReachedLimits(Log(LogTarget.STDERR, LogLevel.INFO), self.counters, present)

    def take(self, source: str, affected: int, *, is_over: bool = False, listener: int = FIRST) -> None:
        self.limits.take(listener, SETTINGS, Limit(admission.TOO_MANY, is_over, affected, source))


def refused(capfd: pytest.CaptureFixture[str]) -> dict[str, int]:
    """The connections that each source has been refused, by the lines that say that this is over."""
    lines = re.findall(r"(\S+) keeps to MaxConnectionsPerSource=3 again, .*: (\d+)\n", capfd.readouterr().err)
    assert len(dict(lines)) == len(lines)
    return {source: int(number) for source, number in lines}


def test_each_of_many_sources_has_its_own_count(capfd: pytest.CaptureFixture[str]) -> None:
    supervisor = Supervisor()
    for _ in range(2):
        for number, source in enumerate(SOURCES):
            supervisor.take(source, number)
    assert str(supervisor.limits.status()) == "; refusing connections of 1000 sources"
    assert capfd.readouterr().err.count(" has reached MaxConnectionsPerSource=3: ") == len(SOURCES)
    for source in reversed(SOURCES):
        supervisor.take(source, 1, is_over=True)
    assert refused(capfd) == {source: 2 * number + 1 for number, source in enumerate(SOURCES)}
    assert supervisor.limits.status() == ""
    assert supervisor.counters.reached_by_limit["MaxConnectionsPerSource"] == len(SOURCES)
    assert supervisor.counters.refused_by_limit["MaxConnectionsPerSource"] == sum(
        2 * number + 1 for number in range(len(SOURCES))
    )


def test_a_source_that_comes_again_is_told_of_again(capfd: pytest.CaptureFixture[str]) -> None:
    supervisor = Supervisor()
    for _ in range(2):
        supervisor.take("10.1.1.1", 1)
        supervisor.take("10.1.1.1", 1, is_over=True)
        assert refused(capfd) == {"10.1.1.1": 2}


def test_the_limits_of_a_listener_that_has_ended_are_over(capfd: pytest.CaptureFixture[str]) -> None:
    supervisor = Supervisor()
    for number, source in enumerate(SOURCES):
        supervisor.take(source, number, listener=(FIRST, SECOND)[number % 2])
    supervisor.limits.listener_ended(FIRST)
    assert refused(capfd) == {source: number for number, source in enumerate(SOURCES) if number % 2 == 0}
    assert supervisor.limits.status() == "; refusing connections of 500 sources"
    supervisor.take(SOURCES[1], 1, is_over=True, listener=SECOND)
    assert refused(capfd) == {SOURCES[1]: 2}


def test_the_next_supervisor_goes_on_with_them(capfd: pytest.CaptureFixture[str]) -> None:
    first = Supervisor()
    for source in SOURCES:
        first.take(source, 1)
    capfd.readouterr()
    second = Supervisor(first.limits.handed_over())
    for source in SOURCES:
        second.take(source, 1, is_over=True)
    assert refused(capfd) == dict.fromkeys(SOURCES, 2)
    assert second.counters.reached_by_limit["MaxConnectionsPerSource"] == 0  # they were counted by the first
    assert second.limits.handed_over() == []
