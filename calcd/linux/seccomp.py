"""A filter of system calls, ready to be put in force: seccomp(2).

What the call needs is made before the fork, so that a handler touches few pages for it. The programs are
those of calcd.listener.system_calls.
"""

import errno
from _ctypes import addressof, get_errno
from struct import pack

from calcd.linux.libc import Char, libc
from calcd.linux.prctl import PR_SET_SECCOMP, bare_prctl

SECCOMP_MODE_FILTER = 2
FILTER_NOT_TAKEN = "the kernel does not take the seccomp filter: see Errors in seccomp(2)"
_INSTRUCTION_SIZE = 8  # struct sock_filter


def is_supported() -> bool:
    """Whether the kernel takes filters: seccomp(2), "SECCOMP_SET_MODE_FILTER". By prctl(2), like the rest,
    because systemd 252 does not count seccomp(2) among the calls of a service."""
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, None)
    return get_errno() == errno.EFAULT


class Filter:
    __slots__ = ("_program", "argument")

    def __init__(self, program: bytes) -> None:
        """program is what the kernel's BPF machine executes at each system call; empty for no filter."""
        self._program = (Char * len(program)).from_buffer_copy(program)
        # struct sock_fprog: how many instructions there are, and where.
        # For a caller that calls no more functions than it must: calcd.handler.process.
        count, address = len(program) // _INSTRUCTION_SIZE, addressof(self._program)
        self.argument = pack("@HP", count, address) if program else b""

    def enforce(self) -> None:
        """Holds this process to it, and those it will fork: for good, and beside what was in force before.

        Takes no_new_privs, or CAP_SYS_ADMIN. Raises OSError.
        """
        if self.argument and bare_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self.argument):
            raise OSError(FILTER_NOT_TAKEN)
