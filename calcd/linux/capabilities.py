"""Root's rights, one by one, and giving them up: capabilities(7)."""

from struct import Struct

from calcd.linux.libc import Char, check, libc
from calcd.linux.prctl import PR_CAPBSET_DROP, PR_CAPBSET_READ, prctl

_VERSION_3 = 0x20080522  # capget(2): sets of 64 bits, each in two halves
_HEADER = Struct("@Ii")  # version, PID
_SETS = Struct("@6I")  # effective, permitted, inheritable, twice


def empty_bounding_set() -> None:
    """Leaves nothing that a program could get when it is executed. If there is anything in the set, that
    takes CAP_SETPCAP, which root has; without it, the set stays as it is."""
    for capability in range(64):  # the kernel's sets have 64 bits
        try:
            if prctl(PR_CAPBSET_READ, capability):
                prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # EINVAL: one more than the kernel has; EPERM: no CAP_SETPCAP
            return


def give_up() -> None:
    """Gives up what this process has, or would pass on: permitted, effective, inheritable, and with them the
    ambient ones. setresuid(2) leaves the inheritable ones, and all to a process that was not root.

    Raises OSError.
    """
    none = _SETS.pack(0, 0, 0, 0, 0, 0)
    header, sets = _HEADER.pack(_VERSION_3, 0), (Char * len(none))()
    check("capget", libc.capget(header, sets))
    # Only where there is something to give up: systemd's filter for services has capget, but not capset.
    if bytes(sets) != none:
        check("capset", libc.capset(header, none))
