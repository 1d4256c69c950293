"""Who is at the other end of a connection, as text."""

import socket
import struct
from typing import Any

_UCRED = struct.Struct("@iii")  # unix(7): pid, uid, gid


def name(connection: socket.socket, address: tuple[Any, ...]) -> str:
    """127.0.0.1:4321, [2001:db8::1]:4321, or unix:pid=4321,uid=1000 for a Unix socket.

    address is what accept(2) returned.
    """
    if connection.family == socket.AF_UNIX:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        pid, uid, _ = _UCRED.unpack(credentials)
        return f"unix:pid={pid},uid={uid}"
    host, port = address[:2]
    # An IPv4 client of an IPv6 socket (ipv6(7)): the address its administrator knows.
    host = host.removeprefix("::ffff:") if "." in host else host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
