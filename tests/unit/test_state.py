"""What one supervisor hands to the next: every later version understands what an earlier one has written."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from calcd.handler import report
from calcd.launch import takeover
from calcd.linux import sealed_memory
from calcd.log.log import Log
from calcd.settings.values import LogConnections, LogLevel, LogTarget
from calcd.supervisor import records
from calcd.supervisor.counts.connections import Connections
from calcd.supervisor.events import Served, Sums
from calcd.supervisor.failure import Failure
from calcd.supervisor.upgrade import state
from calcd.supervisor.upgrade.state import VERSION, State

# As the first calcd that could hand over has written it. It never changes; a state of another version has a
# file of its own.
STORED = Path(__file__).with_name("state-1.json")


def stored() -> dict[str, object]:
    given = json.loads(STORED.read_text())
    assert isinstance(given, dict)
    return given


@pytest.fixture
def files() -> Iterator[list[int]]:
    files: list[int] = []
    yield files
    for file in files:
        os.close(file)


def in_memory(given: object, files: list[int]) -> int:
    files.append(sealed_memory.write("state", json.dumps(given).encode()))
    return files[-1]


def test_the_first_version_of_the_state_is_understood(files: list[int]) -> None:
    given = state.read(in_memory(stored(), files))
    understood = takeover.understand(given)
    assert understood.settings.max_connections == 500
    assert given.memory.counters.served == 4
    assert [connection.peer for connection in given.alive[0].connections] == ["127.0.0.1:43210"]
    assert sorted(given.file_descriptors()) == [3, 4, 5, 9, 10, 12, 14, 16, 17, 20, 20]


def test_all_that_is_in_the_first_version_still_means_something() -> None:
    """A field that is taken away, or is called otherwise, raises VERSION: an older calcd would miss it."""
    assert VERSION == 1
    given = stored()
    assert differences(given, records.to_json(records.from_json(State, given))) == []


def differences(old: object, new: object, place: str = "state") -> list[str]:
    match old, new:
        case dict(), dict():
            return [
                difference
                for name in old
                for difference in (
                    differences(old[name], new[name], f"{place}.{name}")
                    if name in new
                    else [f"{place}.{name}"]
                )
            ]
        case list(), list():
            pairs = zip(old, new, strict=True)
            return [each for at, pair in enumerate(pairs) for each in differences(*pair, f"{place}[{at}]")]
    return [] if old == new else [place]


def test_what_is_written_is_read(files: list[int]) -> None:
    given = records.from_json(State, stored())
    files.append(given.write())
    assert state.read(files[-1]) == given


@pytest.mark.parametrize("given", [{}, [], None, {"version": VERSION + 1}, {"version": VERSION}])
def test_another_state_is_refused_with_the_reason(given: object, files: list[int]) -> None:
    with pytest.raises(Failure, match=r"the state of the running calcd is not understood: .*; restart calcd"):
        state.read(in_memory(given, files))


def test_a_state_that_could_still_change_is_refused(files: list[int]) -> None:
    files.append(os.memfd_create("state"))
    os.write(files[-1], STORED.read_bytes())
    with pytest.raises((Failure, OSError)):
        state.read(files[-1])


def test_kinds_that_another_version_did_not_count_are_counted_from_0() -> None:
    given = records.from_json(State, stored())
    counters = given.memory.counters
    del counters.protocols["resp"], counters.error_replies["DIVBYZERO"]
    log = Log(LogTarget.STDERR, LogLevel.ERR)
    connections = Connections(counters, given.memory.counted, log, LogConnections.NONE)
    connections.served(Served(report.RESP, report.QUIT, 2, Sums(requests=3, division_by_zero=1)))
    assert (counters.protocols["resp"], counters.error_replies["DIVBYZERO"]) == (2, 1)
