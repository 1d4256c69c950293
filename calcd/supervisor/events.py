"""Decodes the events that a listener sends (calcd.listener.packets) to objects.

The listener itself does not use the objects: NamedTuple needs typing, 1.7 MB that every fork of the listener
would pay for.
"""

from typing import Any, NamedTuple

from calcd.handler import report
from calcd.listener import admission, packets


class Ready(NamedTuple):
    version: int  # of calcd.listener.packets


class Alive(NamedTuple):
    """The answer to a ping: how many handlers wait, and how many serve."""

    waiting: int
    serving: int
    awaiting_header: int  # of those that serve: the supervisor has not heard of their connections


class Accepted(NamedTuple):
    """A handler has accepted a connection."""

    handler: int  # its PID, as in the other events
    peer: str
    proxy: str = ""  # that the connection came by


class Sums(NamedTuple):
    """What was done for one connection or for several."""

    requests: int = 0  # answered
    received: int = 0  # bytes
    sent: int = 0  # bytes
    # Error replies by kind, in the order of calcd.protocol.resp.dialogue.ERROR_KINDS.
    division_by_zero: int = 0
    not_an_integer: int = 0
    too_big: int = 0
    other_errors: int = 0

    @property
    def error_replies(self) -> tuple[int, ...]:
        return self[3:]

    def since(self, before: "Sums") -> "Sums":
        """Returns what was done after before. Nothing is below 0, whatever a hijacked handler reports."""
        return Sums(*(max(0, now - then) for now, then in zip(self, before, strict=True)))


class Ended(NamedTuple):
    """A handler's connection has ended. The fields are those of the handler's report."""

    handler: int
    microseconds: int
    ending: int
    sums: Sums
    frame: bytes
    protocol: int


class Progress(NamedTuple):
    """A handler's connection goes on."""

    handler: int
    sums: Sums  # so far


class Served(NamedTuple):
    """The sum of connections that ended well and have no other events."""

    protocol: int
    ending: int
    connections: int
    sums: Sums


class HeaderRefused(NamedTuple):
    """A connection of a proxy has come to nothing."""

    handler: int
    reason: int  # calcd.protocol.proxy_header, calcd.handler.report
    proxy: str
    sent: bytes  # the first bytes that came


class Died(NamedTuple):
    handler: int
    wait_status: int
    microseconds: int


class Lost(NamedTuple):
    handler: int
    wait_status: int


class Trouble(NamedTuple):
    error: int
    times: int
    call: str


class Limit(NamedTuple):
    which: int  # calcd.listener.admission
    is_over: bool
    affected: int  # connections since the last such event
    source: str


class Unconfined(NamedTuple):
    missing: int
    call: str  # a system call's name, or empty


class NotKnown(NamedTuple):
    """What a listener of a newer calcd tells."""

    kind: int


OfHandler = Accepted | HeaderRefused | Ended | Progress
Event = Ready | Alive | OfHandler | Served | Died | Lost | Trouble | Limit | Unconfined | NotKnown
# Those that are a handler's reports.
_REPORTS = (
    *(packets.ACCEPTED, packets.PROXIED, packets.HEADER_REFUSED, packets.ENDED, packets.PROGRESS),
    *(report.ARRIVED, report.FAILED),
)


def decode(event: bytes) -> Event | None:  # noqa: PLR0911 - one for each kind
    """Decodes an event. Returns None for a report that makes no sense or is only for the listener.

    A listener of a newer calcd may put more behind what is known here, which is left out.

    Raises struct.error for an event that no version of calcd.listener.packets makes.
    """
    (kind,) = event[:1]
    if kind in _REPORTS:
        return decode_report(report.decode_any(event))
    if kind == packets.SERVED and len(event) == packets.OLD_SERVED_EVENT.size:
        _, connections, *sums = packets.OLD_SERVED_EVENT.unpack(event)
        return Served(report.CLASSIC, report.CLIENT_CLOSED, connections, Sums(*sums))
    if kind == packets.SERVED:
        _, protocol, ending, connections, *sums = packets.SERVED_EVENT.unpack_from(event)
        return Served(protocol, ending, connections, Sums(*sums))
    if kind == packets.DIED:
        return Died(*packets.DIED_EVENT.unpack_from(event)[1:])
    if kind == packets.LOST:
        _, handler, wait_status = packets.LOST_EVENT.unpack_from(event)
        return Lost(handler, wait_status)
    if kind == packets.TROUBLE:
        _, error, times = packets.TROUBLE_HEAD.unpack_from(event)
        return Trouble(error, times, event[packets.TROUBLE_HEAD.size :].decode())
    if kind == packets.LIMIT:
        _, which, is_over, affected = packets.LIMIT_HEAD.unpack_from(event)
        if not admission.FULL <= which <= admission.UNTRUSTED:
            return NotKnown(kind)
        return Limit(which, is_over, affected, event[packets.LIMIT_HEAD.size :].decode())
    if kind == packets.UNCONFINED:
        _, missing, *name = event
        if not packets.NO_LIBRARY <= missing <= packets.BREAKS_BOTH:
            return NotKnown(kind)
        return Unconfined(missing, bytes(name).decode())
    if kind == packets.READY:
        return Ready(event[1] if len(event) > 1 else 0)
    if kind == packets.ALIVE:
        # A listener from before an upgrade leaves out some or all numbers.
        _, *numbers = packets.ALIVE_EVENT.unpack_from(event.ljust(packets.ALIVE_EVENT.size, b"\0"))
        return Alive(*numbers)
    return NotKnown(kind)


def decode_report(fields: tuple[Any, ...] | None) -> OfHandler | None:
    """Returns the event for the fields that calcd.handler.report.decode_any() has returned, or None."""
    if fields is None or fields[0] in (report.FAILED, report.ARRIVED):
        return None
    if fields[0] in (report.ACCEPTED, report.PROXIED):
        _, handler, _, *names = fields
        return Accepted(handler, *(name.decode() for name in names))
    if fields[0] == report.HEADER_REFUSED:
        _, handler, reason, proxy, digits = fields
        return HeaderRefused(handler, reason, proxy.decode(), bytes.fromhex(digits.decode()))
    if fields[0] == report.PROGRESS:
        _, handler, *sums = fields
        return Progress(handler, Sums(*sums))
    _, handler, _, microseconds, ending, requests, received, sent, frame, protocol, *errors = fields
    return Ended(handler, microseconds, ending, Sums(requests, received, sent, *errors), frame, protocol)
