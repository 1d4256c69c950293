"""The names of clients, as text for the log."""

from __future__ import annotations

from _socket import SO_PEERCRED, SOL_SOCKET
from struct import Struct

from calcd.linux.socket_view import SocketView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_UCRED = Struct("@iii")  # unix(7): pid, uid, gid


def host_of(name: str) -> str:
    """Returns the IP address in a name of host_and_name(); empty for a client of a Unix socket."""
    return "" if name.startswith("unix:") else name.rpartition(":")[0].strip("[]")


def host_and_name(connection: int, address: tuple[Any, ...] | str | bytes) -> tuple[str, bytes]:
    """Returns the client's IP address, which is empty for a Unix socket, and the client's name.

    The name is 127.0.0.1:4321, [2001:db8::1]:4321, or unix:pid=4321,uid=1000. address is that of accept(2).
    """
    if address.__class__ is not tuple:
        with SocketView(connection) as unix:
            pid, uid, _ = _UCRED.unpack(unix.getsockopt(SOL_SOCKET, SO_PEERCRED, _UCRED.size))
        return "", b"unix:pid=%d,uid=%d" % (pid, uid)
    host, port = address[0], address[1]
    if ":" in host:
        if "." not in host:
            return host, f"[{host}]:{port}".encode()
        # An IPv4 client of an IPv6 socket (ipv6(7)) is shown with the IPv4 address that administrators know.
        host = host.removeprefix("::ffff:")
    return host, f"{host}:{port}".encode()
