"""Installs filters of system calls: seccomp(2).

The argument of the call is made before the fork, so that a handler touches few pages to install its filter.
calcd.listener.system_calls compiles the filters.
"""

import ctypes
import errno
from struct import pack

from calcd.linux.libc import libc
from calcd.linux.prctl import PR_SET_SECCOMP, bare_prctl

SECCOMP_MODE_FILTER = 2
FILTER_NOT_TAKEN = "the kernel does not take the seccomp filter: see Errors in seccomp(2)"
_INSTRUCTION_SIZE = 8  # struct sock_filter


def is_supported() -> bool:
    """Returns whether the kernel takes filters: seccomp(2), "SECCOMP_SET_MODE_FILTER".

    The module calls prctl(2), because systemd 252 does not include seccomp(2) in the calls of a service.
    """
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, None)
    return ctypes.get_errno() == errno.EFAULT


class Filter:
    __slots__ = ("_program", "argument")

    def __init__(self, program: bytes) -> None:
        """program is the BPF code that the kernel runs at each system call; empty for no filter."""
        self._program = ctypes.create_string_buffer(program, len(program))
        # struct sock_fprog: the number of instructions, and their address. Public, because
        # calcd.handler.process saves the call of enforce().
        count, address = len(program) // _INSTRUCTION_SIZE, ctypes.addressof(self._program)
        self.argument = pack("@HP", count, address) if program else b""

    def enforce(self) -> None:
        """Installs the filter for this process and those that it forks, for good. Earlier filters stay.

        This needs no_new_privs or CAP_SYS_ADMIN. Raises OSError.
        """
        if self.argument and bare_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self.argument):
            raise OSError(FILTER_NOT_TAKEN)
