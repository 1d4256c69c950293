"""The Debians that the servers run in: a root directory of each, on this machine's kernel and network."""

import functools
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

from bench.servers import PACKAGES
from system.machine import ENVIRONMENT, OWN_MOUNTS, TREE, Root, base_root

BENCH = "tests/bench"
BUILD = "build/bench"  # and a folder in it for what each Debian's gcc has made
_PLACE = "/mnt"  # of the tree in a root directory
_C_SERVERS = ("fork_server", "prefork_server", "epoll_server", "handler")
_COMPILE = "gcc -std=c11 -O2 -Wall -Wextra -Werror -pthread"

# In a mount namespace: its mounts end with the last process in it. No more than that, and so none of the
# system call filters, namespaces and control groups of a container, which cost each server something else.
# The root directory is read-only there, and only the tree can be written to.
_ENTER = (
    'set -e; root=$1; tree=$2; shift 2; mount --bind "$root" "$root"; mount -o remount,bind,ro "$root"; '
    'mount -t tmpfs tmpfs "$root/tmp"; mount --rbind "$tree" "$root/mnt"; '
    'for each in proc dev sys; do mount --rbind "/$each" "$root/$each"; done; exec chroot "$root" "$@"'
)


class Debian(NamedTuple):
    name: str
    suite: str

    def command(self, text: str) -> list[str]:
        """A command in it, in the folder of the tree."""
        return [
            *(*OWN_MOUNTS, "sh", "-c", _ENTER, "sh", str(_root(self.suite)), str(TREE)),
            *("env", "-i", "-C", _PLACE, *ENVIRONMENT, f"PYTHONPYCACHEPREFIX={_PLACE}/{BUILD}/bytecode"),
            *shlex.split(text),
        ]

    def try_to_enter(self) -> str:
        """Why it cannot be entered; empty if it can be. Makes its root directory on first use."""
        done = subprocess.run(self.command("true"), stderr=subprocess.PIPE, text=True, check=False)
        return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""

    def output(self, text: str) -> str:
        """What a command prints. Raises CalledProcessError."""
        done = subprocess.run(self.command(text), capture_output=True, text=True, check=True)
        return done.stdout.strip()

    @property
    def built(self) -> str:
        """The folder in it for what its gcc has made."""
        return f"{_PLACE}/{BUILD}/{self.suite}"

    def build(self) -> None:
        """Makes the C servers, with the gcc and the C library of this Debian. Raises CalledProcessError."""
        (TREE / BUILD / self.suite).mkdir(parents=True, exist_ok=True)
        for name in _C_SERVERS:
            command = f"{_COMPILE} -o {self.built}/{name} {BENCH}/{name}.c"
            subprocess.run(self.command(command), check=True)


@functools.cache  # each look takes the lock under which it is made
def _root(suite: str) -> Path:
    return base_root(suite, Root(PACKAGES))


DEBIANS = (Debian("Debian 12", "bookworm"), Debian("Debian 13", "trixie"))


def build_load() -> None:
    """The load, which is the same for all servers. Raises CalledProcessError."""
    (TREE / BUILD).mkdir(parents=True, exist_ok=True)
    # This machine may lack gcc. A Debian's makes it, and static: then it runs on this machine.
    command = f"{_COMPILE} -static -o {BUILD}/load {BENCH}/load.c"
    subprocess.run(DEBIANS[0].command(command), check=True)
