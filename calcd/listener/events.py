"""What listener and supervisor tell each other: one packet each over a SOCK_SEQPACKET pair.

Events go up, from the listener to the supervisor; commands go down. A packet begins with a byte that
says which it is.
"""

import enum
import struct
from typing import NamedTuple

PACKET_SIZE = 512  # no packet is longer


class Command(enum.IntEnum):
    """From the supervisor."""

    PING = 1  # answer with Alive
    RETIRE = 2  # stop accepting, let every connection end by itself, exit
    DRAIN = 3  # stop accepting, close idle connections, exit


class Ready(NamedTuple):
    """The listener accepts connections."""


class Alive(NamedTuple):
    """The answer to PING: the listener's loop turns."""


class Opened(NamedTuple):
    """A handler was forked for a new connection."""

    handler: int  # its PID, by which the connection is known until it has ended
    peer: str


class Ended(NamedTuple):
    """A handler has been waited for."""

    handler: int
    wait_status: int  # wait(2)
    microseconds: int  # since the connection was accepted
    report: bytes  # calcd.handler.report; empty when the handler died before it could report


class Trouble(NamedTuple):
    """Connections could not be accepted, or not be given a handler, for a while."""

    error: int  # errno
    pauses: int  # how often accepting has been put off since the last such event
    call: str  # "accept" or "fork"


Event = Ready | Alive | Opened | Ended | Trouble

_READY, _ALIVE, _OPENED, _ENDED, _TROUBLE = range(1, 6)
_OPENED_HEAD = struct.Struct("<Bi")
_ENDED_HEAD = struct.Struct("<BiiQ")
_TROUBLE_HEAD = struct.Struct("<BiI")


def encode(event: Event) -> bytes:
    match event:
        case Opened(handler, peer):
            return _OPENED_HEAD.pack(_OPENED, handler) + peer.encode()
        case Ended(handler, wait_status, microseconds, report):
            return _ENDED_HEAD.pack(_ENDED, handler, wait_status, microseconds) + report
        case Trouble(error, pauses, call):
            return _TROUBLE_HEAD.pack(_TROUBLE, error, pauses) + call.encode()
        case Ready():
            return bytes([_READY])
        case Alive():
            return bytes([_ALIVE])


def decode(packet: bytes) -> Event:
    """Raises ValueError or struct.error for anything that encode() does not return."""
    kind = packet[0]
    if kind == _OPENED:
        _, handler = _OPENED_HEAD.unpack_from(packet)
        return Opened(handler, packet[_OPENED_HEAD.size :].decode())
    if kind == _ENDED:
        _, handler, wait_status, microseconds = _ENDED_HEAD.unpack_from(packet)
        return Ended(handler, wait_status, microseconds, packet[_ENDED_HEAD.size :])
    if kind == _TROUBLE:
        _, error, pauses = _TROUBLE_HEAD.unpack_from(packet)
        return Trouble(error, pauses, packet[_TROUBLE_HEAD.size :].decode())
    if kind == _READY:
        return Ready()
    if kind == _ALIVE:
        return Alive()
    raise ValueError(f"unknown kind of event: {kind}")
