"""Who listens on an address, as far as the system lets the caller see: proc(5)."""

import os
import socket
from pathlib import Path

from calcd.config import Address

_LISTEN = "0A"  # the state, in /proc/net/tcp


def of(address: Address) -> str | None:
    """For example "nginx (PID 412)"; None where that cannot be seen, as without root for others'."""
    inodes = _unix_inodes(address) if address.family == socket.AF_UNIX else _tcp_inodes(address.port)
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(fd) in wanted for fd in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (PID {process.name})"
        except OSError:  # not ours to look into, or gone by now
            continue
    return None


def _tcp_inodes(port: int) -> set[str]:
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == _LISTEN and int(local.rpartition(":")[2], 16) == port:
                inodes.add(inode)
    return inodes


def _unix_inodes(address: Address) -> set[str]:
    lines = Path("/proc/net/unix").read_text().splitlines()[1:]
    return {line.split()[6] for line in lines if line.endswith(f" {address.path}")}
