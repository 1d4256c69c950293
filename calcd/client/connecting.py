"""Connects to a server, and says what has gone wrong.

A host can have several addresses. Each of them is tried, in the order of the resolver but with the families
in turn: the next one as soon as one has failed, or has not answered for a quarter of a second. The first
connection that is there is taken (RFC 8305).
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import struct
import time
from itertools import zip_longest

from calcd.client.address import parse
from calcd.client.errors import AddressError, ClientError, ConnectError, ServerTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    # What the resolver finds: family, type, protocol, canonical name, address.
    Found = tuple[int, int, int, str, Any]

HEAD_START = 0.25  # seconds of an address before the next one is tried, too: RFC 8305, section 8

# poll(2) costs one system call, epoll(7) three. Windows has neither.
Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)


def connect(server: str, timeout: float) -> socket.socket:
    """Returns a connected socket that does not block. The timeout is in seconds.

    Raises AddressError, ConnectError, ServerTimeoutError.
    """
    address = parse_here(server)
    try:
        if isinstance(address, str):
            return _connect_unix(address, timeout)
        return _connect_internet(*address, timeout)
    except (OSError, UnicodeError) as error:
        raise failure(server, timeout, error) from error


def parse_here(server: str) -> tuple[str, int] | str:
    """As parse. Raises AddressError also for a Unix socket where the system has none."""
    address = parse(server)
    if isinstance(address, str) and not hasattr(socket, "AF_UNIX"):
        raise AddressError(f"server {server!r}: Python has no Unix sockets on this system: write HOST:PORT")
    return address


def failure(server: str, timeout: float, error: OSError | UnicodeError) -> ClientError:
    """Returns what the error means for who wants to connect."""
    if isinstance(error, BlockingIOError | TimeoutError):
        return ServerTimeoutError(
            f"{server} did not accept the connection within {timeout:g} s: "
            "it may be full or unreachable; try again, or give it a longer timeout"
        )
    if isinstance(error, socket.gaierror | UnicodeError):
        cause = error.strerror if isinstance(error, OSError) else "not a valid name"
        return ConnectError(f"cannot connect to {server}: {cause}: is the host's name right?")
    return ConnectError(
        f"cannot connect to {server}: {error.strerror or error}: "
        "is calcd running? systemctl status calcd.socket"
    )


def _connect_unix(path: str, timeout: float) -> socket.socket:
    with contextlib.ExitStack() as on_failure:
        connection = on_failure.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        # settimeout() would make the socket non-blocking. Then connect(2) to a full backlog would fail at
        # once with EAGAIN (unix(7)). With SO_SNDTIMEO it waits, and EAGAIN means that the time is over.
        seconds, fraction = divmod(timeout, 1)
        # struct timeval is of two numbers like time_t, which on a 32-bit system has either size.
        size = len(connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16))
        period = struct.pack("=ii" if size == 8 else "=qq", int(seconds), max(int(fraction * 1e6), 1))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, period)
        connection.connect(path)
        connection.setblocking(False)
        on_failure.pop_all()
    return connection


def _connect_internet(host: str, port: int, timeout: float) -> socket.socket:
    """Raises TimeoutError, else the OSError of the address that failed last, and UnicodeError for a name that
    is not valid."""
    # An ASCII name is passed as bytes, which does not load Python's IDNA tables.
    name = host.encode() if host.isascii() else host
    found = _in_turn(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
    deadline = time.monotonic() + timeout
    last = OSError()
    with Selector() as under_way:
        try:
            while found or under_way.get_map():
                if found:
                    try:
                        _begin(found.pop(0), under_way)
                    except OSError as error:
                        last = error
                        continue
                remaining = deadline - time.monotonic()
                ready = under_way.select(min(HEAD_START, remaining) if found else remaining)
                if not ready and time.monotonic() >= deadline:
                    raise TimeoutError
                for key, _ in ready:
                    connection: socket.socket = under_way.unregister(key.fileobj).data
                    number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not number:
                        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        return connection
                    connection.close()
                    last = OSError(number, os.strerror(number))
        finally:
            for key in under_way.get_map().values():
                key.data.close()
    raise last


def _begin(one: Found, under_way: selectors.BaseSelector) -> None:
    """Begins to connect. Raises OSError if that fails at once."""
    family, kind, protocol, _, where = one
    connection = socket.socket(family, kind, protocol)
    connection.setblocking(False)
    number = connection.connect_ex(where)
    if number not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
        connection.close()
        raise OSError(number, os.strerror(number))
    under_way.register(connection, selectors.EVENT_WRITE, connection)


def _in_turn(found: Sequence[Found]) -> list[Found]:
    """One address of the family that the resolver prefers, one of the other, and so on."""
    preferred = [one for one in found if one[0] == found[0][0]]
    others = [one for one in found if one[0] != found[0][0]]
    return [one for pair in zip_longest(preferred, others) for one in pair if one]
