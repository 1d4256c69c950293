"""What the supervisor is told of connections, for any sequence of what happens to them."""

from hypothesis import given
from hypothesis import strategies as st

from calcd.handler import report
from calcd.listener import packets
from calcd.listener.outbox import Outbox
from calcd.supervisor import events

ENDINGS = [report.QUIT, report.CLIENT_CLOSED, report.DIVISION_BY_ZERO]
# Beside the endings: the handler's death, a packet, and a report of a connection that goes on.
DIED, SENT, PROGRESS = 0, -1, -2


class Supervisor:
    """Counts as calcd.supervisor does."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.served = self.requests = self.received = self.sent = self.errors = 0

    def hears(self, event: bytes) -> None:
        match events.decode(event):
            case events.Accepted(handler):
                assert handler not in self.open
                self.open.add(handler)
            case events.Ended(handler) as ended:
                self.open.remove(handler)
                self._count(1, ended.sums)
            case events.Died(handler):
                self.open.remove(handler)
                self.served += 1
            case events.Progress(handler):
                assert handler in self.open
            case events.Served(connections=connections, sums=sums):
                self._count(connections, sums)

    def _count(self, served: int, sums: events.Sums) -> None:
        self.served += served
        self.requests += sums.requests
        self.received += sums.received
        self.sent += sums.sent
        self.errors += sum(sums.error_replies)


def accepted(handler: int) -> bytes:
    return report.accepted(report.ACCEPTED, handler, False, b"192.0.2.1:4321")


CLASSIC = (report.CLASSIC, 0, 0, 0, 0)
RESP = (report.RESP, 1, 0, 0, 2)


def ended(outbox: Outbox, handler: int, ending: int, protocol_and_errors: tuple[int, ...] = CLASSIC) -> None:
    fields = (report.ENDED, handler, False, 1_000, ending, 3, 36, 12, b"", *protocol_and_errors)
    outbox.ended(handler, report.ended(*fields), fields)


@given(
    sums_up=st.booleans(),
    steps=st.lists(st.tuples(st.integers(1, 4), st.sampled_from([*ENDINGS, DIED, SENT, PROGRESS]))),
)
def test_nothing_is_counted_twice_or_not_at_all(sums_up: bool, steps: list[tuple[int, int]]) -> None:
    outbox = Outbox(sums_up=sums_up, tells_progress=True)
    supervisor = Supervisor()
    is_open: set[int] = set()
    served = requests = errors = 0
    for handler, step in steps:
        if step == SENT:
            outbox.close_sum()
            for event in outbox.events:
                supervisor.hears(event)
            outbox.events.clear()
            assert len(outbox) == 0
            assert supervisor.open == is_open
            assert (supervisor.served, supervisor.requests) == (served, requests)
            assert (supervisor.received, supervisor.sent) == (12 * requests, 4 * requests)
            assert supervisor.errors == errors
        elif handler not in is_open:
            outbox.accepted(handler, accepted(handler))
            is_open.add(handler)
        elif step == PROGRESS:
            outbox.progress(handler, report.progress(report.PROGRESS, handler, 1, 12, 4, 0, 0, 0, 0))
        else:
            is_open.remove(handler)
            served += 1
            if step == DIED:
                outbox.tell_of(handler, packets.died(handler, 9, 1_000))
            else:
                requests += 3
                is_resp = handler > 2
                errors += 3 * is_resp
                ended(outbox, handler, step, RESP if is_resp else CLASSIC)


def test_each_connection_that_the_log_may_show_is_told_of() -> None:
    outbox = Outbox(sums_up=True, tells_progress=True)
    for handler, ending in enumerate([report.CLIENT_CLOSED, report.DIVISION_BY_ZERO, report.QUIT], start=1):
        outbox.accepted(handler, accepted(handler))
        ended(outbox, handler, ending)
    outbox.accepted(4, accepted(4))
    outbox.close_sum()
    told = [events.decode(event) for event in outbox.events]
    assert told == [
        events.Accepted(2, "192.0.2.1:4321"),
        events.Ended(2, 1_000, report.DIVISION_BY_ZERO, events.Sums(3, 36, 12), b"", report.CLASSIC),
        events.Accepted(4, "192.0.2.1:4321"),
        events.Served(report.CLASSIC, report.CLIENT_CLOSED, 1, events.Sums(3, 36, 12)),
        events.Served(report.CLASSIC, report.QUIT, 1, events.Sums(3, 36, 12)),
    ]


def test_what_hijacked_handlers_report_is_no_sum_too_large_to_send() -> None:
    outbox = Outbox(sums_up=True, tells_progress=True)
    most = 2**64 - 1
    for handler in (1, 2):
        outbox.accepted(handler, accepted(handler))
        fields = (report.ENDED, handler, False, most, report.QUIT, most, most, most, b"", report.RESP)
        outbox.ended(handler, b"", (*fields, most, most, most, most))
    outbox.close_sum()
    assert list(map(events.decode, outbox.events)) == [
        events.Served(report.RESP, report.QUIT, 2, events.Sums(*[most] * 7))
    ]


def test_of_a_connection_that_goes_on_only_the_last_report_waits_for_the_supervisor() -> None:
    outbox = Outbox(sums_up=False, tells_progress=True)
    outbox.accepted(1, accepted(1))
    for requests in range(1, 1000):
        outbox.progress(1, report.progress(report.PROGRESS, 1, requests, 12, 4, 0, 0, 0, 0))
    assert len(outbox) == 2
    outbox.close_sum()
    assert list(map(events.decode, outbox.events)) == [
        events.Accepted(1, "192.0.2.1:4321"),
        events.Progress(1, events.Sums(999, 12, 4)),
    ]


def test_a_supervisor_from_before_an_upgrade_hears_of_no_progress() -> None:
    outbox = Outbox(sums_up=False, tells_progress=False)
    outbox.accepted(1, accepted(1))
    outbox.progress(1, report.progress(report.PROGRESS, 1, 1, 12, 4, 0, 0, 0, 0))
    assert outbox.events == [accepted(1)]
