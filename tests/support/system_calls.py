"""System calls that a process is made to try, as if it had been taken over: tests/c/system_call.c."""

import subprocess
from pathlib import Path

from support.c_programs import build
from support.processes import Process

# On x86-64; with arguments where they matter.
OPEN, CONNECT, FORK, EXECUTE = "257", "42", "57", "59"
MAKE_SOCKET, MAKE_UNIX_SOCKET = "41 2 1 0", "41 1 1 0"
ACCEPT, CLONE, VFORK, CLONE3 = "288", "56 17", "58", "435"
SEND_SIGNAL, TRACE, CHANGE_LIMIT, BECOME_ROOT = "62 1 0", "101 16 1", "302", "117 0 0 0"
MAP_CODE, MAP_MEMORY = "9 0 4096 5 34 -1 0", "9 0 4096 3 34 -1 0"
MAKE_CODE = "10 0 4096 5"
ATTACH_BPF, SET_TIMEOUT = "54 -1 1 26 0 0", "54 -1 1 20 0 0"
GET_PID = "39"
GET_PARENT = "110"

# What no handler may do, by what a reader would call it.
FORBIDDEN = {
    "open a file": OPEN,
    "make a socket": MAKE_SOCKET,
    "connect": CONNECT,
    "accept": ACCEPT,
    "fork": FORK,
    "vfork": VFORK,
    "clone": CLONE,
    "clone3": CLONE3,
    "execute": EXECUTE,
    "send a signal": SEND_SIGNAL,
    "trace": TRACE,
    "change a limit": CHANGE_LIMIT,
    "become root": BECOME_ROOT,
    "map code": MAP_CODE,
    "make memory code": MAKE_CODE,
    "attach a BPF program to a socket": ATTACH_BPF,
}
KILLED = "killed by signal 31"  # SIGSYS
EPERM, EBADF = "-1", "-9"  # as the kernel returns them


class Injector:
    """A debugger that has a process which waits make another system call."""

    def __init__(self, folder: Path) -> None:
        """folder is for the program that this takes."""
        self._program = build("system_call", folder)

    def __call__(self, process: Process, call: str) -> str:
        """What the call returned, or KILLED."""
        command = [str(self._program), str(process.pid), *call.split()]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
