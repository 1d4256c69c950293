"""Where a test's calcd can listen, and what the kernel knows of its sockets."""

import os
import socket
from pathlib import Path


def own_address() -> str:
    """A loopback address that no other process uses, so that all of its ports stay free in between.

    All of 127.0.0.0/8 is this machine's, and a PID is less than 2**22.
    """
    pid = os.getpid()
    return f"127.{64 + (pid >> 16)}.{pid >> 8 & 0xFF}.{pid & 0xFF}"


def accepts(address: tuple[str, int]) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(address).close()
    except ConnectionRefusedError:
        return False
    return True


def is_read(connection: socket.socket) -> bool:
    """Whether the server's side has read all that has arrived there: the receive queue in proc_net_tcp(5)."""
    remote = f":{connection.getsockname()[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, peer, state, queues, *_ = line.split()
        if peer.endswith(remote) and state == "01":
            return int(queues.partition(":")[2], 16) == 0
    return False
