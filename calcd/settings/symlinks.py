"""Symbolic links in the configuration: where they lead, and whether calcd.service sees what is there.

The service has a file system of its own (RootDirectory= and BindReadOnlyPaths= in its unit). The same name
can lead to a file for the administrator, and to none for the service.
"""

import os
from collections.abc import Iterator
from pathlib import Path

# What the unit shows to the service, of the places where a configuration may be.
_SHOWN = ("etc/calcd", "usr")
WHAT_IS_SHOWN = "calcd.service sees /etc/calcd and /usr alone; put the file itself there"
_NAMES = (
    "etc/calcd/calcd.conf",
    "etc/calcd/calcd.conf.d",
    "usr/lib/calcd/calcd.conf",
    "usr/lib/calcd/calcd.conf.d",
)
_MOST_HOPS = 40  # path_resolution(7)


def remedy(path: Path, *, is_for_service: bool) -> str:
    """What to say of a file that cannot be read: empty for one that is no symbolic link."""
    if not os.path.islink(path):  # False where the caller may not look
        return ""
    advice = f", and {WHAT_IS_SHOWN}" if is_for_service else ""
    return f": it is a symbolic link to {os.readlink(path)}{advice}"


def hidden_from_service(root: Path = Path("/")) -> Iterator[tuple[Path, Path]]:
    """The default configuration's names that are links, and where each leads, if the service does not see
    that."""
    for name in _NAMES:
        path = root / name
        for file in (path, *sorted(path.glob("*.conf"))):
            if (target := _place_outside(file, root)) is not None:
                yield file, target


def _place_outside(path: Path, root: Path) -> Path | None:
    """The first place on the way that the service does not see."""
    # Where /etc/calcd itself is a link, systemd mounts what it leads to.
    shown = [Path(os.path.realpath(root / folder)) for folder in _SHOWN]
    for _ in range(_MOST_HOPS):
        if not path.is_symlink():
            return None
        path = Path(os.path.normpath(path.parent / os.readlink(path)))
        if path == Path(os.devnull):  # which masks a file, and is there for everybody
            return None
        if not any(Path(os.path.realpath(path.parent)).is_relative_to(folder) for folder in shown):
            return path
    return None
