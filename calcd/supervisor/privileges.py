"""Which user calcd becomes, and becoming it."""

import contextlib
import ctypes
import grp
import os
import pwd
from struct import Struct
from typing import NamedTuple

from calcd.supervisor.failure import ExitStatus, Failure
from calcd.supervisor.libc import check, libc, prctl

_PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 23, 24, 38  # prctl(2)
_CAPABILITY_VERSION_3 = 0x20080522  # capget(2): sets of 64 bits, each in two halves
_CAPABILITY_HEADER = Struct("@Ii")  # version, PID
_CAPABILITY_SETS = Struct("@6I")  # effective, permitted, inheritable, twice


class Identity(NamedTuple):
    uid: int
    gid: int
    name: str | None  # of the user, for its supplementary groups; None for a number without an entry


def resolve(user: str, group: str) -> Identity:
    """The identity that User= and Group= ask for; the caller's own where they are empty.

    Raises Failure for names that do not exist.
    """
    uid, gid, name = os.geteuid(), os.getegid(), None
    if user:
        try:
            entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
            uid, gid, name = entry.pw_uid, entry.pw_gid, entry.pw_name
        except KeyError:
            if not user.isdecimal():
                raise Failure(ExitStatus.NO_USER, _missing("user", user, "adduser --system")) from None
            uid = gid = int(user)
    if group:
        try:
            gid = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
        except KeyError:
            raise Failure(ExitStatus.NO_USER, _missing("group", group, "addgroup --system")) from None
    return Identity(uid, gid, name)


def drop(identity: Identity) -> None:
    """Takes the identity on, for good: real, effective, saved and file system ids, the supplementary groups,
    and no capability. Where it is root's, as the administrator wants it, its capabilities stay.

    Not left to python-daemon: with initgroups, version 2.3.2 keeps the caller's primary group, and it knows
    nothing of capabilities.

    Raises Failure where only root could, and OSError where the system does not let go of what is to go.
    """
    # No program that is executed from now on gets more than this process has: setuid(2) has no effect.
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if identity.uid != 0:
        _empty_bounding_set()
    try:
        _become(identity)
    except PermissionError as error:
        raise Failure(
            ExitStatus.NO_PERMISSION,
            f"cannot become user {identity.name or identity.uid}, group {identity.gid}: only root can; start "
            "calcd as root, or leave User= and Group= empty",
        ) from error
    if identity.uid != 0:
        _give_up_capabilities()


def _become(identity: Identity) -> None:
    uid, gid, name = identity
    if os.getresuid() == (uid, uid, uid) and os.getresgid() == (gid, gid, gid):
        return
    if name is None:
        os.setgroups([gid])
    else:
        os.initgroups(name, gid)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _empty_bounding_set() -> None:
    """If there is anything in it, that takes CAP_SETPCAP, which root has."""
    with contextlib.suppress(PermissionError):
        for capability in range(64):  # the kernel's sets have 64 bits
            try:
                is_in_it = prctl(_PR_CAPBSET_READ, capability)
            except OSError:  # EINVAL: one more than the kernel has
                return
            if is_in_it:
                prctl(_PR_CAPBSET_DROP, capability)


def _give_up_capabilities() -> None:
    """All those that this process has, or would pass on: permitted, effective, inheritable, and with them the
    ambient ones. setresuid(2) leaves the inheritable ones, and all to a process that was not root."""
    none = _CAPABILITY_SETS.pack(0, 0, 0, 0, 0, 0)
    header, sets = _CAPABILITY_HEADER.pack(_CAPABILITY_VERSION_3, 0), ctypes.create_string_buffer(none)
    check("capget", libc.capget(header, sets))
    # Only where there is something to give up: systemd's filter for services has capget, but not capset.
    if sets.raw[: len(none)] != none:
        check("capset", libc.capset(header, none))


def _missing(kind: str, name: str, command: str) -> str:
    return f"there is no {kind} {name!r}: create it ({command} {name}) or name another with --{kind}"
