"""A listening socket that takes no new connection, and keeps those that wait in its backlog: socket(7).

1.  One accept(2) after the other cannot empty a backlog for good. Until the last copy of the socket is
    closed, the kernel completes handshakes and acknowledges requests; close(2) resets whatever waits then.
2.  A TCP socket that is bound to an interface gets what comes by that interface alone. No interface has the
    largest index. So the kernel refuses every new connection, as it does where nobody listens; what is in the
    backlog stays there, and is accepted as before.
3.  The first bind needs no privileges (Linux 5.7), and CAP_NET_RAW is needed to undo it. So this is for
    sockets that nobody will listen at again.
4.  A socket with a link-local address is bound to its interface already. It refuses connections only where
    calcd has that capability.
"""

from __future__ import annotations

import _socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

# asm-generic/socket.h; Python has the name from 3.14 on.
SO_BINDTOIFINDEX: int = getattr(_socket, "SO_BINDTOIFINDEX", 62)
_NO_INTERFACE = 0x7FFF_FFFF


def refuse_new_connections(listening: socket) -> None:
    """Without an effect on a Unix socket, and where the kernel has no such option or it is set already."""
    try:
        listening.setsockopt(_socket.SOL_SOCKET, SO_BINDTOIFINDEX, _NO_INTERFACE)
    except OSError:
        pass
