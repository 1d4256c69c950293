"""What listener and supervisor tell each other: one packet each over a SOCK_SEQPACKET pair.

Events go up, from the listener to the supervisor, which reads them with calcd.supervisor.news; commands
go down. A packet begins with a byte that says which it is.
"""

from struct import Struct

PACKET_SIZE = 512  # no packet is longer

# Commands, from the supervisor.
PING = 1  # answer with ALIVE
RETIRE = 2  # stop accepting, let every connection end by itself, exit
DRAIN = 3  # stop accepting, close idle connections, exit
ELSEWHERE = 4  # another listener has got connections of a host, or has lost some

READY = 1  # the listener accepts connections
ALIVE = 2  # the answer to PING: the listener's loop turns
OPENED = 3  # a handler was forked for a new connection
ENDED = 4  # a handler has been waited for
TROUBLE = 5  # connections could not be accepted, or not be given a handler, for a while
LIMIT = 6  # a limit (calcd.listener.admission) is reached, still is, or no longer is
UNCONFINED = 7  # no seccomp filters: what is missing for them follows

# What is missing for seccomp filters.
NO_LIBRARY = 1  # libseccomp, or its Python bindings
NO_KERNEL_SUPPORT = 2

# Behind these heads come the peer, the handler's report (empty when it died before it could), "accept" or
# "fork", or "gone" where accept(2) says that a client has left; the source, and the host.
OPENED_HEAD = Struct("<Bi")  # handler: its PID, by which the connection is known until it has ended
ENDED_HEAD = Struct("<BiiQ")  # handler, wait(2) status, microseconds since the connection was accepted
TROUBLE_HEAD = Struct("<BiI")  # errno, how often since the last such event
LIMIT_HEAD = Struct("<BB?I")  # which, whether it is over, connections affected since the last such event
ELSEWHERE_HEAD = Struct("<Bi")  # how many more


def ready() -> bytes:
    return bytes((READY,))


def alive() -> bytes:
    return bytes((ALIVE,))


def opened(handler: int, peer: bytes) -> bytes:
    return OPENED_HEAD.pack(OPENED, handler) + peer


def ended(handler: int, wait_status: int, microseconds: int, report: bytes) -> bytes:
    return ENDED_HEAD.pack(ENDED, handler, wait_status, microseconds) + report


def unconfined(missing: int) -> bytes:
    return bytes((UNCONFINED, missing))


def trouble(error: int, times: int, call: str) -> bytes:
    return TROUBLE_HEAD.pack(TROUBLE, error, times) + call.encode()


def limit(which: int, is_over: bool, affected: int, source: str) -> bytes:
    return LIMIT_HEAD.pack(LIMIT, which, is_over, affected) + source.encode()


def elsewhere(difference: int, host: str) -> bytes:
    return ELSEWHERE_HEAD.pack(ELSEWHERE, difference) + host.encode()


def decode_elsewhere(packet: bytes) -> tuple[int, str]:
    _, difference = ELSEWHERE_HEAD.unpack_from(packet)
    return difference, packet[ELSEWHERE_HEAD.size :].decode()
