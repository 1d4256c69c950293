"""Symbolic links in the configuration: where they lead, and whether calcd.service sees what is there.

The service has a file system of its own (RootDirectory= and BindReadOnlyPaths= in its unit). The same name
can lead to a file for the administrator, and to none for the service.
"""

import os
from collections.abc import Iterator
from pathlib import Path

# What the unit shows to the service, of the places where a configuration may be.
_SHOWN = ("etc/calcd", "usr", "lib", "lib64", "bin")
WHAT_IS_SHOWN = "the shipped unit shows /etc/calcd and /usr alone to the service; put the file itself there"
_NAMES = ("etc/calcd/calcd.conf", "usr/lib/calcd/calcd.conf")
_MOST_HOPS = 40  # path_resolution(7)


def is_for_service(config_file: Path | None, root: Path = Path("/")) -> bool:
    """Whether this configuration is the service's, or that of an instance."""
    return config_file is None or config_file.parent == root / "etc/calcd"


def leads_nowhere(path: Path) -> bool:
    return os.path.islink(path) and not os.path.exists(path)


def remedy(path: Path, *, is_for_service: bool = False) -> str:
    """What to say of a file that cannot be read: empty for one that is no symbolic link."""
    if not os.path.islink(path):  # False where the caller may not look
        return ""
    advice = f", and {WHAT_IS_SHOWN}" if is_for_service else ""
    return f": it is a symbolic link to {os.readlink(path)}{advice}"


def hidden_from_service(
    config_file: Path | None = None, root: Path = Path("/")
) -> Iterator[tuple[Path, Path]]:
    """The names of a configuration that are links, and where each leads, if the service does not see that.

    config_file is that of calcd.settings.reading.load().
    """
    if not is_for_service(config_file, root):
        return
    for main in [root / name for name in _NAMES] if config_file is None else [config_file]:
        folder = Path(f"{main}.d")
        names = [main, folder]
        if _place_outside(folder, root) is None:
            names += sorted(folder.glob("*.conf"))
        for name in names:
            if (target := _place_outside(name, root)) is not None:
                yield name, target


def _place_outside(path: Path, root: Path) -> Path | None:
    """The first place on the way that the service does not see."""
    shown = [root / folder for folder in _SHOWN]
    hops = 0
    reached, names = Path("/"), list(path.parts[1:])
    while names:
        name = names.pop(0)
        place = reached.parent if name == ".." else reached / name
        if any(folder.is_relative_to(place) for folder in shown):
            # A folder in the service's file system, also where it is a link for others: systemd mounts what
            # that leads to.
            reached = place
        elif not any(place.is_relative_to(folder) for folder in shown):
            place = place.joinpath(*names)
            # /dev/null masks a file, and is there for everybody.
            return None if place == Path(os.devnull) else place
        elif place.is_symlink():
            hops += 1
            if hops > _MOST_HOPS:
                return None
            target = Path(os.readlink(place))
            if target.is_absolute():
                reached = Path("/")
            names[:0] = target.parts[target.is_absolute() :]
        else:
            reached = place
    return None
