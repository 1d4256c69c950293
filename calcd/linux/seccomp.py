"""Installs filters of system calls: seccomp(2).

The argument of the call is made before the fork, so that a handler touches few pages to install its filter.
calcd.listener.system_calls compiles the filters.
"""

import errno
from _ctypes import addressof, get_errno
from struct import Struct, pack

from calcd.linux.libc import Char, libc
from calcd.linux.prctl import PR_SET_SECCOMP, bare_prctl

SECCOMP_MODE_FILTER = 2
FILTER_NOT_TAKEN = "the kernel does not take the seccomp filter: see Errors in seccomp(2)"
_INSTRUCTION = Struct("@HBBI")  # struct sock_filter: the code, how far to jump if true and if not, a number
# The codes for: load a word of struct seccomp_data; jump if that is greater; return.
_LOAD, _JUMP_IF_GREATER, _RETURN = 0x20, 0x25, 0x06
_ALLOW = 0x7FFF_0000  # SECCOMP_RET_ALLOW


def is_supported() -> bool:
    """Returns whether the kernel takes filters: seccomp(2), "SECCOMP_SET_MODE_FILTER".

    The module calls prctl(2), because systemd 252 does not include seccomp(2) in the calls of a service.
    """
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, None)
    return get_errno() == errno.EFAULT


def up_to(number: int, program: bytes) -> bytes:
    """The program for the system calls that have no greater number: all others are let through."""
    pack = _INSTRUCTION.pack
    return pack(_LOAD, 0, 0, 0) + pack(_JUMP_IF_GREATER, 0, 1, number) + pack(_RETURN, 0, 0, _ALLOW) + program


class Filter:
    __slots__ = ("_program", "argument")

    def __init__(self, program: bytes) -> None:
        """program is the BPF code that the kernel runs at each system call; empty for no filter."""
        self._program = (Char * len(program)).from_buffer_copy(program)
        # struct sock_fprog: the number of instructions, and their address. Public, because
        # calcd.handler.process saves the call of enforce().
        count, address = len(program) // _INSTRUCTION.size, addressof(self._program)
        self.argument = pack("@HP", count, address) if program else b""

    def enforce(self) -> None:
        """Installs the filter for this process and those that it forks, for good. Earlier filters stay.

        This needs no_new_privs or CAP_SYS_ADMIN. Raises OSError.
        """
        if self.argument and bare_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self.argument):
            raise OSError(FILTER_NOT_TAKEN)
