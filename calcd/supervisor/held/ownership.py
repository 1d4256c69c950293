"""Gives the files that calcd makes to the user that it becomes."""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple


class Identity(NamedTuple):
    """A user and a group."""

    uid: int
    gid: int
    name: str | None  # the user's, for its supplementary groups; None if the UID has no entry


MOST = 0xFFFF_FFFE  # credentials(7): an ID has 32 bits, and the largest number stands for none


def is_id(text: str) -> bool:
    """Returns whether the text is the number of a user or a group."""
    return text.isascii() and text.isdecimal() and int(text) <= MOST


def give(file: Path | int, owner: Identity) -> None:
    """Makes owner the owner of a file, given by path or file descriptor, so that calcd can remove it later.

    1.  If owner already is the owner, chown(2) is not called, because the unit forbids it.
    2.  An error for lack of rights is ignored. calcd may not become that user either, and
        calcd.launch.privileges reports this.
    """
    if owner.uid != os.geteuid():
        with contextlib.suppress(PermissionError):
            os.chown(file, owner.uid, owner.gid)
