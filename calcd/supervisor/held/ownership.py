"""Whose the files are that calcd makes: the user's that it becomes."""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple


class Identity(NamedTuple):
    uid: int
    gid: int
    name: str | None  # of the user, for its supplementary groups; None for a number without an entry


def give(file: Path | int, owner: Identity) -> None:
    """Makes owner the owner of a file, by path or file descriptor, so that it can remove it later.

    1.  Where that would change nothing, no call is made: the unit forbids it.
    2.  Whoever may not give a file away may not become its owner either: calcd.launch.privileges says so.
    """
    if owner.uid != os.geteuid():
        with contextlib.suppress(PermissionError):
            os.chown(file, owner.uid, owner.gid)
