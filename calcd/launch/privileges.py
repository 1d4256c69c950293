"""Finds the user and group that calcd becomes, and changes to them."""

import grp
import os
import pwd

from calcd.linux import capabilities
from calcd.linux.prctl import PR_SET_NO_NEW_PRIVS, prctl
from calcd.supervisor.failure import ExitStatus, Failure
from calcd.supervisor.held.ownership import Identity, is_id


def resolve(user: str, group: str) -> Identity:
    """Returns the identity that User= and Group= set, or the caller's if they are empty.

    Raises Failure for a name that does not exist.
    """
    uid, gid, name = os.geteuid(), os.getegid(), None
    if user:
        try:
            entry = pwd.getpwuid(int(user)) if is_id(user) else pwd.getpwnam(user)
            uid, gid, name = entry.pw_uid, entry.pw_gid, entry.pw_name
        except KeyError:
            if not is_id(user):
                raise Failure(ExitStatus.NO_USER, _missing("user", user, "adduser --system")) from None
            uid = gid = int(user)
    if group:
        try:
            gid = int(group) if is_id(group) else grp.getgrnam(group).gr_gid
        except KeyError:
            raise Failure(ExitStatus.NO_USER, _missing("group", group, "addgroup --system")) from None
    return Identity(uid, gid, name)


def drop(identity: Identity) -> None:
    """Changes to the identity for good: real, effective, saved and file system IDs, supplementary groups, and
    no capabilities. If the identity is root, as the administrator wants it, the capabilities stay.

    python-daemon does not do this well: with initgroups, version 2.3.2 keeps the caller's primary group, and
    it does not drop capabilities.

    Raises Failure if this needs root, and OSError if the system does not take a right away.
    """
    # No program that is executed from now on gets more rights than this process: set-user-ID has no effect.
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
