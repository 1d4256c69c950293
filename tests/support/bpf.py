"""What the kernel's machine for seccomp(2) makes of a program, for any architecture."""

import struct
from collections.abc import Sequence

# The bits of AUDIT_ARCH_*, linux/audit.h.
_64_BIT, _LITTLE_ENDIAN = 0x8000_0000, 0x4000_0000
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000  # SECCOMP_RET_*


class Program:
    def __init__(self, program: bytes, architecture: int) -> None:
        """architecture is what the kernel calls it: one of AUDIT_ARCH_*."""
        self.architecture = architecture
        self.is_64_bit = bool(architecture & _64_BIT)
        self._order = "<" if architecture & _LITTLE_ENDIAN else ">"
        self._instructions = list(struct.iter_unpack(f"{self._order}HBBI", program))

    def run(self, number: int, arguments: Sequence[int] = (), architecture: int | None = None) -> int:
        """The action for a system call, SECCOMP_RET_*."""
        architecture = self.architecture if architecture is None else architecture
        words = [*arguments, 0, 0, 0, 0, 0, 0][:6]
        data = struct.pack(f"{self._order}iIQ6Q", number, architecture, 0, *words)
        at = accumulator = 0
        while True:
            code, if_true, if_false, k = self._instructions[at]
            at += 1
            match code:
                case 0x20:  # load a word
                    (accumulator,) = struct.unpack_from(f"{self._order}I", data, k)
                case 0x54:  # and
                    accumulator &= k
                case 0x05:  # jump
                    at += k
                case 0x15:  # jump if equal
                    at += if_true if accumulator == k else if_false
                case 0x25:  # jump if greater
                    at += if_true if accumulator > k else if_false
                case 0x35:  # jump if greater or equal
                    at += if_true if accumulator >= k else if_false
                case 0x06:  # return
                    return int(k)
                case _:
                    raise ValueError(f"unknown instruction {code:#x}")
