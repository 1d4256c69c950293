"""Sets the timeouts of a socket's reads and writes: SO_RCVTIMEO and SO_SNDTIMEO, socket(7).

1.  A read(2) or write(2) that waits for longer fails with EAGAIN, or returns the number of bytes that were
    transferred by then. The kernel keeps the time, so it takes no call between a request and its reply.
2.  The module calls libc's function, because a connection is a file descriptor here. A socket object would
    cost a fork a dozen pages.
"""

from __future__ import annotations

import math
from _socket import AF_UNIX, SO_RCVTIMEO, SO_SNDTIMEO, SOCK_STREAM, SOL_SOCKET, socket
from struct import calcsize, pack, unpack

from calcd.linux.libc import check, libc
from calcd.linux.socket_view import SocketView

_setsockopt = libc.setsockopt


def _timeval_format() -> str:
    """Both numbers of a struct timeval are as large as time_t. On 32-bit systems that is what C was compiled
    for, and so was the number of the option: SO_RCVTIMEO_OLD or SO_RCVTIMEO_NEW (Linux 5.1). The system
    itself says which."""
    unused = socket(AF_UNIX, SOCK_STREAM)
    size = len(unused.getsockopt(SOL_SOCKET, SO_RCVTIMEO, 16))
    unused.close()
    return "=ii" if size == 8 else "=qq"


_TIMEVAL = _timeval_format()


def timeval(seconds: float) -> bytes:
    """Returns a struct timeval: at least a microsecond, or, for math.inf, 0, which is no timeout."""
    if seconds == math.inf:
        return pack(_TIMEVAL, 0, 0)
    return pack(_TIMEVAL, *divmod(max(int(seconds * 1e6), 1), 1_000_000))


def receive_timeout(fd: int) -> float:
    """Returns the receive timeout in seconds; math.inf for none. Raises OSError."""
    with SocketView(fd) as view:
        seconds, microseconds = unpack(_TIMEVAL, view.getsockopt(SOL_SOCKET, SO_RCVTIMEO, calcsize(_TIMEVAL)))
    return seconds + microseconds / 1e6 or math.inf


def limit_receive(fd: int, period: bytes) -> None:
    """Sets the receive timeout to a timeval(). Raises OSError."""
    _set(fd, SO_RCVTIMEO, period)


def limit_send(fd: int, period: bytes) -> None:
    """Sets the send timeout to a timeval(). Raises OSError."""
    _set(fd, SO_SNDTIMEO, period)


def _set(fd: int, option: int, period: bytes) -> None:
    if _setsockopt(fd, SOL_SOCKET, option, period, len(period)) < 0:
        check("setsockopt", -1)
