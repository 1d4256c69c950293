"""Finds the process that listens on an address, as far as the caller may see it: proc(5)."""

import os
import socket
import sys
from pathlib import Path
from typing import NamedTuple

from calcd.settings.addresses import Address

_LISTEN = "0A"  # the state, in /proc/net/tcp


class PortHolder(NamedTuple):
    pid: int
    name: str


def find(address: Address) -> PortHolder | None:
    """Returns the process, or None if it cannot be seen. Only root sees those of other users."""
    inodes = _unix_inodes(address) if address.family == socket.AF_UNIX else _tcp_inodes(address)
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(fd) in wanted for fd in (process / "fd").iterdir()):
                return PortHolder(int(process.name), _read(process / "comm").strip())
        except OSError:  # another user's process, or one that has ended
            continue
    return None


def _tcp_inodes(address: Address) -> set[str]:
    wanted = socket.inet_pton(address.family, address.host)
    # An IPv6 socket for all addresses also takes IPv4 connections, unless it is IPV6_V6ONLY.
    is_for_one = address.family == socket.AF_INET6 and not address.is_for_both
    tables = ("tcp6",) if is_for_one else ("tcp", "tcp6")
    inodes = set()
    for table in tables:
        for line in _read(Path("/proc/net") / table).splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            host, port = _unhex(local.partition(":")[0]), int(local.partition(":")[2], 16)
            same_family = len(host) == len(wanted)
            is_included = same_family and (host == wanted or not any(wanted))
            clashes = address.is_for_both or not any(host) or is_included
            if state == _LISTEN and port == address.port and clashes:
                inodes.add(inode)
    return inodes


def _unhex(host: str) -> bytes:
    """Returns the address in network order. proc_net_tcp has it as 32-bit numbers in the machine's order."""
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    return b"".join(word.to_bytes(4, sys.byteorder) for word in words)


def _unix_inodes(address: Address) -> set[str]:
    lines = _read(Path("/proc/net/unix")).splitlines()[1:]
    return {line.split()[6] for line in lines if line.endswith(f" {address.path}")}


def _read(path: Path) -> str:
    """Returns the file's text. Not all of it is UTF-8: processes choose any names, for sockets as well."""
    return path.read_text(errors="replace") if path.exists() else ""
