"""The packets that listener and supervisor exchange, over a SOCK_SEQPACKET pair.

The listener sends events to the supervisor, which decodes them with calcd.supervisor.events. A packet holds
up to EVENTS events. A handler's report (calcd.handler.report) is sent as an event, unchanged. The supervisor
sends commands to the listener, one in each packet. Events and commands begin with a byte for their kind.
"""

from __future__ import annotations

from struct import Struct

from calcd.handler import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What this calcd can tell and understand. A listener tells its version with READY, and is told that of the
# supervisor as a word of its command line; neither sends the other what is newer. What is added to an event
# or a command goes behind what is there.
VERSION = 1

PACKET_SIZE = 4096  # bytes: no packet is longer
EVENT_SIZE = 255  # bytes: no event is longer, because one byte holds its length
EVENTS = PACKET_SIZE // (1 + EVENT_SIZE)  # the most events in a packet

# Commands, from the supervisor.
PING = 1  # answer with ALIVE
# Stop accepting, let every connection end by itself, exit. A byte says if another listener accepts instead.
RETIRE = 2
DRAIN = 3  # stop accepting, close idle connections, exit
COUNT = 4  # count connections that another listener has accepted or lost, by host

# Events.
ACCEPTED = report.ACCEPTED
PROXIED = report.PROXIED
HEADER_REFUSED = report.HEADER_REFUSED
ENDED = report.ENDED
PROGRESS = report.PROGRESS
DIED = 4  # a handler died while it served a connection
LOST = 5  # a handler died while it waited for a connection
READY = 6  # the listener accepts connections; a byte for its VERSION, which one from before version 1 lacks
ALIVE = 7  # the answer to PING: the listener's loop runs
TROUBLE = 8  # accept(2) or fork(2) has failed
LIMIT = 9  # a limit (calcd.listener.admission) is reached, is still reached, or is no longer reached
UNCONFINED = 10  # a seccomp filter is left out; a byte says what is missing for it
SERVED = 11  # the sum of connections that ended well and have no other events (calcd.listener.outbox)

# What is missing for seccomp filters.
NO_LIBRARY = 1  # libseccomp, or its Python bindings
NO_KERNEL_SUPPORT = 2
# Nothing, but they would break handlers, by a system call whose name follows, if it is known.
BREAKS_HANDLERS = 3  # the handlers' filter: the listener's is in force
BREAKS_BOTH = 4  # the listener's as well

# A text follows each HEAD. For TROUBLE it is "accept", "fork", or "gone", where accept(2) says that a client
# has left. For LIMIT it is the source, for COUNT the host.
# A supervisor from before an upgrade looks at the first byte alone.
# Handlers that wait, handlers that serve, and those of the latter that wait for the header of a proxy.
ALIVE_EVENT = Struct("<BIII")
DIED_EVENT = Struct("<BiiQ")  # handler, wait(2) status, microseconds since the connection was accepted
LOST_EVENT = Struct("<Bii")  # handler, wait(2) status
_MOST = 2**64 - 1  # what a field Q holds
# Protocol and ending, of calcd.handler.report; then connections, requests answered, bytes received, bytes
# sent, and error replies by kind.
SERVED_EVENT = Struct("<BBB4Q4Q")
# As a listener of an older calcd has it: connections, requests answered, bytes received, bytes sent.
OLD_SERVED_EVENT = Struct("<B4Q")
TROUBLE_HEAD = Struct("<BiI")  # errno, failures since the last such event
LIMIT_HEAD = Struct("<BB?I")  # which limit, whether it is over, connections affected since the last event
COUNT_HEAD = Struct("<Bi")  # connections: more than 0 for accepted ones, less than 0 for lost ones


def pack(events: Iterable[bytes]) -> bytes:
    """Makes a packet of at most EVENTS events."""
    return b"".join([bytes((len(event),)) + event for event in events])


def unpack(packet: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(packet):
        end = at + 1 + packet[at]
        yield packet[at + 1 : end]
        at = end


def ready() -> bytes:
    return bytes((READY, VERSION))


def alive(waiting: int, serving: int, awaiting_header: int) -> bytes:
    return ALIVE_EVENT.pack(ALIVE, waiting, serving, awaiting_header)


def died(handler: int, wait_status: int, microseconds: int) -> bytes:
    return DIED_EVENT.pack(DIED, handler, wait_status, microseconds)


def lost(handler: int, wait_status: int) -> bytes:
    return LOST_EVENT.pack(LOST, handler, wait_status)


def unconfined(missing: int, call: str = "") -> bytes:
    return bytes((UNCONFINED, missing)) + call.encode()


def served(protocol: int, ending: int, sums: Iterable[int]) -> bytes:
    """A sum may be anything, because a hijacked handler may report anything."""
    return SERVED_EVENT.pack(SERVED, protocol, ending, *[min(each, _MOST) for each in sums])


def trouble(error: int, times: int, call: str) -> bytes:
    return TROUBLE_HEAD.pack(TROUBLE, error, times) + call.encode()


def limit(which: int, is_over: bool, affected: int, source: str) -> bytes:
    return LIMIT_HEAD.pack(LIMIT, which, is_over, affected) + source.encode()


def count(difference: int, host: str) -> bytes:
    return COUNT_HEAD.pack(COUNT, difference) + host.encode()


def decode_count(packet: bytes) -> tuple[int, str]:
    _, difference = COUNT_HEAD.unpack_from(packet)
    return difference, packet[COUNT_HEAD.size :].decode()
