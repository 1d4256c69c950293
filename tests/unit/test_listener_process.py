"""The events of a listener, as the supervisor takes them."""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator

import pytest

from calcd.handler import report
from calcd.linux.event_loop import EventLoop
from calcd.listener import packets
from calcd.log.log import Log
from calcd.settings.values import LogConnections, LogLevel, LogTarget
from calcd.supervisor.counts.connections import Connections
from calcd.supervisor.counts.reached_limits import ReachedLimits
from calcd.supervisor.events import Event, Lost
from calcd.supervisor.held.listener_process import ListenerProcess, OpenListener
from calcd.supervisor.memory import Memory
from calcd.supervisor.records import Fd
from calcd.supervisor.status import Status
from calcd.supervisor.succession.listener_events import ListenerEvents
from calcd.supervisor.succession.roster import Roster
from calcd.supervisor.succession.shared_counts import SharedCounts


@pytest.fixture
def pair() -> Iterator[tuple[ListenerProcess, socket.socket]]:
    """A listener, and what it sends its events by."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    reports, writing_end = os.pipe()
    os.close(writing_end)
    listener = ListenerProcess(OpenListener(os.getpid(), Fd(ours.detach()), Fd(reports), 1, {}, [], {}))
    with theirs, contextlib.closing(listener):
        yield listener, theirs


def lost(*handlers: int) -> bytes:
    return packets.pack([packets.LOST_EVENT.pack(packets.LOST, handler, 9) for handler in handlers])


def as_events(*handlers: int) -> list[Event]:
    return [Lost(handler, 9) for handler in handlers]


def fill(theirs: socket.socket) -> list[Event]:
    """Sends as many events as there is room for."""
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            theirs.send(lost(2 * sent, 2 * sent + 1))
            sent += 1
    assert sent > 100
    return as_events(*range(2 * sent))


def test_what_has_been_sent_is_taken_at_once(pair: tuple[ListenerProcess, socket.socket]) -> None:
    listener, theirs = pair
    assert list(listener.events()) == []
    sent = fill(theirs)
    assert list(listener.events()) == sent
    assert list(listener.events()) == []


def test_a_listener_that_goes_on_to_send_does_not_keep_the_supervisor(
    pair: tuple[ListenerProcess, socket.socket],
) -> None:
    listener, theirs = pair
    theirs.send(lost(1, 2))
    theirs.send(lost(3))
    taken: list[Event] = []
    for event in listener.events():
        taken.append(event)
        assert len(taken) <= 3
        theirs.send(lost(4))
    assert taken == as_events(1, 2, 3)
    assert list(listener.events()) == as_events(4, 4, 4)


def test_all_that_a_listener_sent_before_it_died_is_taken(
    pair: tuple[ListenerProcess, socket.socket],
) -> None:
    """Also if it has not read all commands: recv(2) fails once then."""
    listener, theirs = pair
    listener.ping()
    sent = fill(theirs)
    theirs.close()
    assert list(listener.events()) == sent
    assert list(listener.events()) == []


def test_ends_of_connections_that_the_supervisor_does_not_know_of_are_left_out(
    pair: tuple[ListenerProcess, socket.socket],
) -> None:
    """A listener of a newer calcd may have told of their beginning in a way of its own."""
    listener, theirs = pair
    loop, roster, memory, log = EventLoop(), Roster(), Memory(), Log(LogTarget.STDERR, LogLevel.ERR)
    counters = memory.counters
    reached = ReachedLimits(log, counters, [])
    events = ListenerEvents(
        loop=loop,
        roster=roster,
        connections=Connections(counters, memory.counted, log, LogConnections.NONE),
        reached=reached,
        shared=SharedCounts(roster, loop.timers),
        status=Status(counters, reached, loop.timers, changed=lambda: None),
        memory=memory,
        log=log,
        ready=lambda _: None,
    )
    roster.alive[listener.pid] = listener
    ended = report.ended(report.ENDED, 1, True, 1_000, report.QUIT, 1, 12, 4, b"", 0, 0, 0, 0, 0)
    progress = report.progress(report.PROGRESS, 2, 1, 12, 4, 0, 0, 0, 0)
    died = packets.died(3, signal.SIGKILL, 1_000)
    theirs.send(packets.pack([ended, progress, died, packets.lost(4, signal.SIGKILL)]))
    events.take_all()
    assert (counters.connections, counters.served, counters.requests) == (0, 0, 0)
    assert counters.handlers_killed == 1  # the last one, which waited


def test_a_ping_comes_behind_what_there_was_no_room_for(
    pair: tuple[ListenerProcess, socket.socket],
) -> None:
    """Its answer is taken as one to that, too."""
    listener, theirs = pair
    for number in range(1000):
        listener.count_of_others(f"192.0.2.{number}", 1)
    assert not listener.send_rest()
    listener.tell(packets.RETIRE, 1)
    theirs.recv(packets.PACKET_SIZE)
    listener.ping()
    listener.ping()
    commands: list[int] = []
    while not listener.send_rest() or len(commands) < 1001:  # and one before
        commands.append(theirs.recv(packets.PACKET_SIZE)[0])
    others = [command for command in commands if command != packets.COUNT]
    assert others == [packets.RETIRE, packets.PING]
