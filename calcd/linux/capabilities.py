"""Gives up root's rights: capabilities(7)."""

from struct import Struct

from calcd.linux.libc import Char, check, libc
from calcd.linux.prctl import PR_CAPBSET_DROP, PR_CAPBSET_READ, prctl

_VERSION_3 = 0x20080522  # capget(2): sets of 64 bits, each in two halves
_HEADER = Struct("@Ii")  # version, PID
_SETS = Struct("@6I")  # effective, permitted, inheritable, twice


def empty_bounding_set() -> None:
    """Empties the bounding set, so that no program gets a capability when it is executed.

    This needs CAP_SETPCAP, which root has. Without it, the set stays as it is. Raises OSError.
    """
    try:
        for capability in filter(_is_in_bounding_set, range(64)):  # the kernel's sets have 64 bits
            prctl(PR_CAPBSET_DROP, capability)
    except PermissionError:  # no CAP_SETPCAP
        pass


def _is_in_bounding_set(capability: int) -> bool:
    try:
        return prctl(PR_CAPBSET_READ, capability) == 1
    except OSError:  # EINVAL: the kernel has no such capability
        return False


def give_up() -> None:
    """Gives up the process's permitted, effective and inheritable capabilities, and so the ambient ones too.

    setresuid(2) is not enough: it keeps the inheritable ones, and all of them if the process was not root.

    Raises OSError.
    """
    none = _SETS.pack(0, 0, 0, 0, 0, 0)
    header, sets = _HEADER.pack(_VERSION_3, 0), (Char * len(none))()
    check("capget", libc.capget(header, sets))
    # Only if there are any: systemd's filter for services allows capget(2), but not capset(2).
    if bytes(sets) != none:
        check("capset", libc.capset(header, none))
