"""INFO and the metrics, of the table from which both are made."""

import dataclasses
import math
import re

import pytest

import calcd
from calcd.linux.shared_page import ROOM
from calcd.log.log import Log
from calcd.settings.values import LogConnections, LogLevel, LogTarget
from calcd.supervisor.counts.connections import Connections
from calcd.supervisor.counts.counters import Counters
from calcd.supervisor.counts.reached_limits import ReachedLimits
from calcd.supervisor.published import rendering
from calcd.supervisor.published.facts import Facts
from calcd.supervisor.published.table import COUNTER, ROWS

# What redis-cli --stat looks for, anywhere in the text (redis-cli.c, statMode).
STAT = {
    "used_memory": 4096,
    "connected_clients": 3,
    "blocked_clients": 0,
    "total_commands_processed": 5,
    "total_connections_received": 3,
    "loading": 0,
    "bgsave_in_progress": 0,
    "aof_rewrite_in_progress": 0,
}


@pytest.fixture
def facts() -> Facts:
    log = Log(LogTarget.STDERR, LogLevel.WARNING)
    counters = Counters()
    Connections(counters, {}, log, LogConnections.ALL)
    ReachedLimits(log, counters, [])
    counters.connections, counters.requests = 3, 5
    return Facts(
        counters=counters,
        max_connections=1000,
        port=7070,
        pid=123,
        started=1_700_000_000.25,
        uptime=200_000.5,
        system="Linux 6.1.0 x86_64",
        python="3.11.2",
        memory=4096,
        cpu_of_user=1.5,
        cpu_of_system=0.25,
        listeners=1,
        waiting=8,
        serving=3,
        log_lost=0,
    )


def test_info_has_the_form_of_redis(facts: Facts) -> None:
    text = rendering.info(facts).decode()
    assert text.replace("\r\n", "").count("\n") == 0
    for section in text.split("\r\n\r\n"):
        title, *fields = section.strip().split("\r\n")
        assert re.fullmatch("# [A-Z][A-Za-z]+", title)
        assert fields
        for field in fields:
            assert re.fullmatch(r"\w+:[^\r\n]*", field)
    assert {"redis_version:7.0.0", "role:master", "uptime_in_days:2", "maxclients:1000"} <= set(
        text.split("\r\n")
    )


def test_a_field_with_several_values_has_all_of_them_from_the_start(facts: Facts) -> None:
    fields = rendering.info(facts).decode().split("\r\n")
    assert "errorstat_DIVBYZERO:count=0" in fields
    assert "handlers:waiting=8,serving=3" in fields
    assert "connections_refused:MaxConnectionsPerSource=0,MaxRatePerSource=0,ProxySources=0" in fields
    (ended,) = [field for field in fields if field.startswith("connections_ended:")]
    assert {"connections_ended:quit=0", "division by zero=0", "IdleTimeout=0", "report lost=0"} <= set(
        ended.split(",")
    )


def test_redis_cli_finds_in_info_what_it_looks_for(facts: Facts) -> None:
    text = rendering.info(facts).decode()
    for name, value in STAT.items():
        assert text[text.index(name) + len(name) :].split("\r\n")[0] == f":{value}", name


def test_a_metric_is_named_as_prometheus_wants_it() -> None:
    metrics = [row for row in ROWS if row.metric]
    assert len({row.metric for row in metrics}) == len(metrics)
    for row in metrics:
        assert re.fullmatch("(calcd|process)(_[a-z]+)+", row.metric)
        assert row.metric.endswith("_total") == (row.type == COUNTER)
        assert row.help.endswith(".")


def test_the_metrics_have_every_series_with_a_number(facts: Facts) -> None:
    lines = rendering.metrics(facts).decode().splitlines()
    series = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r'\w+(\{(\w+="[^"\\]*",?)+\})? [\d.e+]+', line) for line in series)
    assert "calcd_connections 3" in series
    assert 'calcd_build_info{version="' + calcd.__version__ + '",python="3.11.2"} 1' in series
    assert 'calcd_connections_ended_total{ending="quit"} 0' in series
    assert "process_start_time_seconds 1700000000.25" in series
    assert {line.split()[2] for line in lines if line.startswith("# TYPE")} == {
        row.metric for row in ROWS if row.metric
    }


def test_no_limit_is_infinite(facts: Facts) -> None:
    facts = dataclasses.replace(facts, max_connections=math.inf)
    assert b"\r\nmaxclients:infinity\r\n" in rendering.info(facts)
    assert b"\ncalcd_connections_limit +Inf\n" in rendering.metrics(facts)


def test_the_longest_texts_fit_into_the_shared_memory(facts: Facts) -> None:
    huge = 2**63
    counters = facts.counters
    for name, value in vars(counters).items():
        if isinstance(value, dict):
            setattr(counters, name, dict.fromkeys(value, huge))
        elif isinstance(value, int):
            setattr(counters, name, huge)
    facts = dataclasses.replace(facts, system="x" * 3 * 65, memory=huge, waiting=huge, serving=huge)
    assert len(rendering.info(facts)) + len(rendering.metrics(facts)) < ROOM / 2
