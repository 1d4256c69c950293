"""Connects to a server, and says what has gone wrong."""

import contextlib
import socket
import struct
import time

from calcd.client.address import InternetAddress, UnixAddress, parse
from calcd.client.errors import ConnectError, ServerTimeoutError


def connect(server: str, timeout: float) -> socket.socket:
    """Returns a connected socket, whose calls wait for as long as the timeout, in seconds.

    Raises AddressError, ConnectError, ServerTimeoutError.
    """
    address = parse(server)
    try:
        if isinstance(address, UnixAddress):
            return _connect_unix(address, timeout)
        return _connect_internet(address, timeout)
    except (BlockingIOError, TimeoutError) as error:
        raise ServerTimeoutError(
            f"{server} did not accept the connection within {timeout:g} s: "
            "it may be full or unreachable; try again, or give it a longer timeout"
        ) from error
    except (socket.gaierror, UnicodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "not a valid name"
        raise ConnectError(f"cannot connect to {server}: {cause}: is the host's name right?") from error
    except OSError as error:
        raise ConnectError(
            f"cannot connect to {server}: {error.strerror or error}: "
            "is calcd running? systemctl status calcd.socket"
        ) from error


def _connect_unix(address: UnixAddress, timeout: float) -> socket.socket:
    with contextlib.ExitStack() as on_failure:
        connection = on_failure.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        # settimeout() would make the socket non-blocking. Then connect(2) to a full backlog would fail at
        # once with EAGAIN (unix(7)). With SO_SNDTIMEO it waits, and EAGAIN means that the time is over.
        seconds, fraction = divmod(timeout, 1)
        # struct timeval is of two numbers like time_t, which on a 32-bit system has either size.
        size = len(connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16))
        period = struct.pack("=ii" if size == 8 else "=qq", int(seconds), max(int(fraction * 1e6), 1))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, period)
        connection.connect(address.path)
        connection.settimeout(timeout)
        on_failure.pop_all()
    return connection


def _connect_internet(address: InternetAddress, timeout: float) -> socket.socket:
    """Connects to the first of the host's addresses that works, in the resolver's order.

    Raises the OSError of the last one tried, and UnicodeError for a name that is not valid.
    """
    # An ASCII name is passed as bytes, which does not load Python's IDNA tables.
    host = address.host.encode() if address.host.isascii() else address.host
    found = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)
    deadline = time.monotonic() + timeout
    failure: OSError = TimeoutError()
    for family, kind, protocol, _, where in found:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            break
        with contextlib.ExitStack() as on_failure:
            try:
                connection = on_failure.enter_context(socket.socket(family, kind, protocol))
                connection.settimeout(remaining)
                connection.connect(where)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.settimeout(timeout)
            except OSError as error:
                failure = error
                continue
            on_failure.pop_all()
            return connection
    raise failure
