"""Which user calcd becomes, and becoming it."""

import grp
import os
import pwd
from typing import NamedTuple

from calcd.supervisor.failure import ExitStatus, Failure


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
    """Takes the identity on, for good: real, effective and saved ids, and the supplementary groups.

    Not left to python-daemon: with initgroups, version 2.3.2 keeps the caller's primary group.

    Raises Failure where only root could.
    """
    if (identity.uid, identity.gid) == (os.geteuid(), os.getegid()):
        return
    try:
        if identity.name is None:
            os.setgroups([identity.gid])
        else:
            os.initgroups(identity.name, identity.gid)
        os.setresgid(identity.gid, identity.gid, identity.gid)
        os.setresuid(identity.uid, identity.uid, identity.uid)
    except PermissionError as error:
        raise Failure(
            ExitStatus.NO_PERMISSION,
            f"cannot become user {identity.name or identity.uid}, group {identity.gid}: only root can; start "
            "calcd as root, or leave User= and Group= empty",
        ) from error


def _missing(kind: str, name: str, command: str) -> str:
    return f"there is no {kind} {name!r}: create it ({command} {name}) or name another with --{kind}"
