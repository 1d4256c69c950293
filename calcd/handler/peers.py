"""Who is at the other end of a connection, as text."""

from __future__ import annotations

from _socket import SO_PEERCRED, SOL_SOCKET
from struct import Struct

from calcd.linux.socket_view import SocketView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_UCRED = Struct("@iii")  # unix(7): pid, uid, gid


def host_of(name: str) -> str:
    """The IP address in a name; empty for a Unix socket's."""
    return "" if name.startswith("unix:") else name.rpartition(":")[0].strip("[]")


def host_and_name(connection: int, address: tuple[Any, ...] | str | bytes) -> tuple[str, bytes]:
    """The client's IP address, empty for a Unix socket; and with its port, as 127.0.0.1:4321,
    [2001:db8::1]:4321, or unix:pid=4321,uid=1000.

    address is what accept(2) returned.
    """
    if address.__class__ is not tuple:
        with SocketView(connection) as unix:
            pid, uid, _ = _UCRED.unpack(unix.getsockopt(SOL_SOCKET, SO_PEERCRED, _UCRED.size))
        return "", b"unix:pid=%d,uid=%d" % (pid, uid)
    host, port = address[0], address[1]
    if ":" in host:
        if "." not in host:
            return host, f"[{host}]:{port}".encode()
        # An IPv4 client of an IPv6 socket (ipv6(7)): the address its administrator knows.
        host = host.removeprefix("::ffff:")
    return host, f"{host}:{port}".encode()
