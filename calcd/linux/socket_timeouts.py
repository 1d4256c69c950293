"""The time-outs of a socket's reads and writes: SO_RCVTIMEO and SO_SNDTIMEO, socket(7).

With them a read(2) or write(2) that has to wait for longer fails with EAGAIN, and one that is short of some
bytes returns those it has. The kernel keeps the time: no call is made for it between a request and its reply.

By libc's, because a connection is a file descriptor here, and a socket object costs a fork a dozen pages.
"""

from __future__ import annotations

import math
from _socket import SO_RCVTIMEO, SO_SNDTIMEO, SOL_SOCKET
from struct import pack

from calcd.linux.libc import check, libc

_setsockopt = libc.setsockopt


def timeval(seconds: float) -> bytes:
    """A struct timeval: at least a microsecond, since 0 is for ever in it."""
    if seconds == math.inf:
        return pack("@ll", 0, 0)
    return pack("@ll", *divmod(max(int(seconds * 1e6), 1), 1_000_000))


def limit_receive(fd: int, period: bytes) -> None:
    """Raises OSError."""
    _set(fd, SO_RCVTIMEO, period)


def limit_send(fd: int, period: bytes) -> None:
    """Raises OSError."""
    _set(fd, SO_SNDTIMEO, period)


def _set(fd: int, option: int, period: bytes) -> None:
    if _setsockopt(fd, SOL_SOCKET, option, period, len(period)) < 0:
        check("setsockopt", -1)
