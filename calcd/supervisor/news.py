"""The events that a listener sends (calcd.listener.events), as objects.

Only the supervisor has them so: NamedTuple comes with typing, 1.7 MB that every fork of the listener would
pay for.
"""

from typing import NamedTuple

from calcd.listener import events


class Ready(NamedTuple):
    pass


class Alive(NamedTuple):
    pass


class Opened(NamedTuple):
    handler: int
    peer: str


class Ended(NamedTuple):
    handler: int
    wait_status: int
    microseconds: int
    report: bytes


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


Event = Ready | Alive | Opened | Ended | Trouble | Limit | Unconfined


def decode(packet: bytes) -> Event:  # noqa: PLR0911 - one for each kind
    """Raises ValueError or struct.error for what calcd.listener.events does not make."""
    kind = packet[0]
    if kind == events.OPENED:
        _, handler = events.OPENED_HEAD.unpack_from(packet)
        return Opened(handler, packet[events.OPENED_HEAD.size :].decode())
    if kind == events.ENDED:
        _, handler, wait_status, microseconds = events.ENDED_HEAD.unpack_from(packet)
        return Ended(handler, wait_status, microseconds, packet[events.ENDED_HEAD.size :])
    if kind == events.TROUBLE:
        _, error, times = events.TROUBLE_HEAD.unpack_from(packet)
        return Trouble(error, times, packet[events.TROUBLE_HEAD.size :].decode())
    if kind == events.LIMIT:
        _, which, is_over, affected = events.LIMIT_HEAD.unpack_from(packet)
        return Limit(which, is_over, affected, packet[events.LIMIT_HEAD.size :].decode())
    if kind == events.UNCONFINED:
        (missing,) = packet[1:]
        return Unconfined(missing)
    if kind == events.READY:
        return Ready()
    if kind == events.ALIVE:
        return Alive()
    raise ValueError(f"unknown kind of event: {kind}")
