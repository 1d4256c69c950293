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

READY = 1  # the listener accepts connections
ALIVE = 2  # the answer to PING: the listener's loop turns
OPENED = 3  # a handler was forked for a new connection
ENDED = 4  # a handler has been waited for
TROUBLE = 5  # connections could not be accepted, or not be given a handler, for a while

# Behind these heads come the peer, the handler's report (empty when it died before it could), and
# "accept" or "fork", or "gone" where accept(2) says that a client has left.
OPENED_HEAD = Struct("<Bi")  # handler: its PID, by which the connection is known until it has ended
ENDED_HEAD = Struct("<BiiQ")  # handler, wait(2) status, microseconds since the connection was accepted
TROUBLE_HEAD = Struct("<BiI")  # errno, how often since the last such event


def ready() -> bytes:
    return bytes((READY,))


def alive() -> bytes:
    return bytes((ALIVE,))


def opened(handler: int, peer: bytes) -> bytes:
    return OPENED_HEAD.pack(OPENED, handler) + peer


def ended(handler: int, wait_status: int, microseconds: int, report: bytes) -> bytes:
    return ENDED_HEAD.pack(ENDED, handler, wait_status, microseconds) + report


def trouble(error: int, times: int, call: str) -> bytes:
    return TROUBLE_HEAD.pack(TROUBLE, error, times) + call.encode()
