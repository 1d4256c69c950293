"""What listener and supervisor tell each other, over a SOCK_SEQPACKET pair.

Events go up, from the listener to the supervisor, which reads them with calcd.supervisor.events: as many in a
packet as there are. The handlers' reports are events as they are (calcd.handler.report). Commands go down, a
packet each. Both begin with a byte that says which they are.
"""

from __future__ import annotations

from struct import Struct

from calcd.handler import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PACKET_SIZE = 4096  # no packet is longer
# No event is longer, so that a byte has its length; and so many fit into a packet.
EVENT_SIZE = 255
EVENTS = PACKET_SIZE // (1 + EVENT_SIZE)

# Commands, from the supervisor.
PING = 1  # answer with ALIVE
# Stop accepting, let every connection end by itself, exit; a byte says whether others accept in its place.
RETIRE = 2
DRAIN = 3  # stop accepting, close idle connections, exit
COUNT = 4  # another listener has got connections of a host, or has lost some: they count here as well

# Events.
ACCEPTED = report.ACCEPTED
ENDED = report.ENDED
DIED = 4  # a handler, with its connection
LOST = 5  # a handler that waited for a connection
READY = 6  # the listener accepts connections
ALIVE = 7  # the answer to PING: the listener's loop turns
TROUBLE = 8  # connections could not be accepted, or not be given a handler, for a while
LIMIT = 9  # a limit (calcd.listener.admission) is reached, still is, or no longer is
UNCONFINED = 10  # a seccomp filter is left out: what is missing for it follows
SERVED = 11  # connections that have ended well and were not told of one by one (calcd.listener.outbox)

# What is missing for seccomp filters.
NO_LIBRARY = 1  # libseccomp, or its Python bindings
NO_KERNEL_SUPPORT = 2
# Nothing, but they would break handlers, by a system call whose name follows, if it is known.
BREAKS_HANDLERS = 3  # the handlers' filter: the listener's is in force
BREAKS_BOTH = 4  # the listener's as well

# Behind these heads come "accept" or "fork", or "gone" where accept(2) says that a client has left; the
# source, and the host.
DIED_EVENT = Struct("<BiiQ")  # handler, wait(2) status, microseconds since the connection was accepted
LOST_EVENT = Struct("<Bii")  # handler, wait(2) status
SERVED_EVENT = Struct("<BQQQQ")  # connections, requests answered, bytes received, bytes sent
TROUBLE_HEAD = Struct("<BiI")  # errno, how often since the last such event
LIMIT_HEAD = Struct("<BB?I")  # which, whether it is over, connections affected since the last such event
COUNT_HEAD = Struct("<Bi")  # how many more


def pack(events: Iterable[bytes]) -> bytes:
    """At most EVENTS of them in a packet."""
    return b"".join([bytes((len(event),)) + event for event in events])


def unpack(packet: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(packet):
        end = at + 1 + packet[at]
        yield packet[at + 1 : end]
        at = end


def ready() -> bytes:
    return bytes((READY,))


def alive() -> bytes:
    return bytes((ALIVE,))


def died(handler: int, wait_status: int, microseconds: int) -> bytes:
    return DIED_EVENT.pack(DIED, handler, wait_status, microseconds)


def lost(handler: int, wait_status: int) -> bytes:
    return LOST_EVENT.pack(LOST, handler, wait_status)


def unconfined(missing: int, call: str = "") -> bytes:
    return bytes((UNCONFINED, missing)) + call.encode()


def served(connections: int, requests: int, received: int, sent: int) -> bytes:
    return SERVED_EVENT.pack(SERVED, connections, requests, received, sent)


def trouble(error: int, times: int, call: str) -> bytes:
    return TROUBLE_HEAD.pack(TROUBLE, error, times) + call.encode()


def limit(which: int, is_over: bool, affected: int, source: str) -> bytes:
    return LIMIT_HEAD.pack(LIMIT, which, is_over, affected) + source.encode()


def count(difference: int, host: str) -> bytes:
    return COUNT_HEAD.pack(COUNT, difference) + host.encode()


def decode_count(packet: bytes) -> tuple[int, str]:
    _, difference = COUNT_HEAD.unpack_from(packet)
    return difference, packet[COUNT_HEAD.size :].decode()
