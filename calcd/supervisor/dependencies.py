"""The packages that calcd needs beside Python, and what helps where one is missing."""

import importlib.util
import os
import sys
from typing import NamedTuple


class Package(NamedTuple):
    module: str
    debian: str


# pyproject.toml has them in an extra, because the client does without.
NEEDED = (Package("daemon", "python3-daemon"), Package("systemd", "python3-systemd"))
_EXTRA = "'calcd[daemon]'"
# Not in the extra: libseccomp does not publish its bindings on PyPI.
SECCOMP = Package("seccomp", "python3-seccomp")


def missing() -> str:
    """Returns what to say of the packages that calcd does not run without; empty if they are there."""
    absent = [package for package in NEEDED if importlib.util.find_spec(package.module) is None]
    if not absent:
        return ""
    names = " and ".join(package.module for package in absent)
    return f"{sys.executable} cannot import {names}: {remedy(*absent)}"


def remedy(*packages: Package) -> str:
    """Returns what makes the interpreter that runs calcd find the packages."""
    apt = "apt-get install " + " ".join(package.debian for package in packages)
    has_pip = SECCOMP not in packages
    if sys.prefix != sys.base_prefix:
        if has_pip:
            return f"{sys.prefix}/bin/pip install {_EXTRA}"
        return (
            f"the virtual environment {sys.prefix} does not see Debian's packages: {apt}, and make it anew "
            "with /usr/bin/python3 -m venv --system-site-packages"
        )
    if os.path.dirname(os.path.realpath(sys.executable)) == "/usr/bin":
        return apt
    alternative = f", or {sys.executable} -m pip install {_EXTRA}" if has_pip else ""
    return f"{apt}, and run calcd with /usr/bin/python3, which it is for{alternative}"
