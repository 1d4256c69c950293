"""What the supervisor is told of connections, for any sequence of what happens to them."""

from hypothesis import given
from hypothesis import strategies as st

from calcd.handler import report
from calcd.listener import packets
from calcd.listener.outbox import Outbox
from calcd.supervisor import events

ENDINGS = [report.QUIT, report.CLIENT_CLOSED, report.DIVISION_BY_ZERO]
DIED, SENT = 0, -1  # beside the endings: the handler's death, and a packet


class Supervisor:
    """Counts as calcd.supervisor does."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.served = self.requests = self.received = self.sent = 0

    def hears(self, event: bytes) -> None:
        match events.decode(event):
            case events.Accepted(handler):
                assert handler not in self.open
                self.open.add(handler)
            case events.Ended(handler) as ended:
                self.open.remove(handler)
                self._count(1, ended.requests, ended.received, ended.sent)
            case events.Died(handler):
                self.open.remove(handler)
                self._count(1, 0, 0, 0)
            case events.Served() as sums:
                self._count(*sums)

    def _count(self, served: int, requests: int, received: int, sent: int) -> None:
        self.served += served
        self.requests += requests
        self.received += received
        self.sent += sent


def accepted(handler: int) -> bytes:
    return report.accepted(report.ACCEPTED, handler, False, b"192.0.2.1:4321")


def ended(outbox: Outbox, handler: int, ending: int) -> None:
    fields = (report.ENDED, handler, False, 1_000, ending, 3, 36, 12, b"")
    outbox.ended(handler, report.ended(*fields), fields)


@given(
    sums_up=st.booleans(),
    steps=st.lists(st.tuples(st.integers(1, 4), st.sampled_from([*ENDINGS, DIED, SENT]))),
)
def test_nothing_is_counted_twice_or_not_at_all(sums_up: bool, steps: list[tuple[int, int]]) -> None:
    outbox = Outbox(sums_up=sums_up)
    supervisor = Supervisor()
    is_open: set[int] = set()
    served = requests = 0
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
        elif handler not in is_open:
            outbox.accepted(handler, accepted(handler))
            is_open.add(handler)
        else:
            is_open.remove(handler)
            served += 1
            if step == DIED:
                outbox.tell_of(handler, packets.died(handler, 9, 1_000))
            else:
                requests += 3
                ended(outbox, handler, step)


def test_each_connection_that_the_log_may_show_is_told_of() -> None:
    outbox = Outbox(sums_up=True)
    for handler, ending in enumerate([report.CLIENT_CLOSED, report.DIVISION_BY_ZERO, report.QUIT], start=1):
        outbox.accepted(handler, accepted(handler))
        ended(outbox, handler, ending)
    outbox.accepted(4, accepted(4))
    outbox.close_sum()
    told = [events.decode(event) for event in outbox.events]
    assert told == [
        events.Accepted(2, "192.0.2.1:4321"),
        events.Ended(2, 1_000, report.DIVISION_BY_ZERO, 3, 36, 12, b""),
        events.Accepted(4, "192.0.2.1:4321"),
        events.Served(2, 6, 72, 24),
    ]
