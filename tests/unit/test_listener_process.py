"""The events of a listener, as the supervisor takes them."""

import contextlib
import os
import socket
from collections.abc import Iterator

import pytest

from calcd.listener import packets
from calcd.supervisor.events import Event, Lost
from calcd.supervisor.held.listener_process import ListenerProcess, OpenListener
from calcd.supervisor.records import Fd


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
