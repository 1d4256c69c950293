"""Where a test's calcd can listen."""

import os
import socket


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
