"""Which user calcd becomes, and becoming it."""

import grp
import os
import pwd

from calcd.linux import capabilities
from calcd.linux.prctl import PR_SET_NO_NEW_PRIVS, prctl
from calcd.supervisor.failure import ExitStatus, Failure
from calcd.supervisor.held.ownership import Identity


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
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if identity.uid != 0:
        capabilities.empty_bounding_set()
    try:
        _become(identity)
    except PermissionError as error:
        raise Failure(
            ExitStatus.NO_PERMISSION,
            f"cannot become user {identity.name or identity.uid}, group {identity.gid}: only root can; start "
            "calcd as root, or leave User= and Group= empty",
        ) from error
    if identity.uid != 0:
        capabilities.give_up()


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


def _missing(kind: str, name: str, command: str) -> str:
    return f"there is no {kind} {name!r}: create it ({command} {name}) or name another with --{kind}"
