"""Sets attributes of this process in the kernel: prctl(2)."""

from calcd.linux.libc import UnsignedLong, bare_libc, check, libc

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_SET_SECCOMP = 22
PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

bare_prctl = bare_libc.prctl
"""Plain prctl(2), for handlers: argument types and the errno would touch pages that nothing else touches.
Returns a negative number on failure."""


def prctl(option: int, value: int) -> int:
    """Calls prctl(2) with one argument. Raises OSError."""
    zero = UnsignedLong(0)
    return check("prctl", libc.prctl(option, UnsignedLong(value), zero, zero, zero))
