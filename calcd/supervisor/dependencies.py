"""The packages that calcd needs beside Python, and what helps where one is missing."""

import importlib.util
import os
import sys
from typing import NamedTuple


class Package(NamedTuple):
    module: str
    debian: str
    pypi: str | None


NEEDED = (
    Package("daemon", "python3-daemon", "python-daemon"),
    Package("systemd", "python3-systemd", "systemd-python"),
)
SECCOMP = Package("seccomp", "python3-seccomp", None)


def missing() -> str:
    """Returns what to say of the packages that calcd does not run without; empty if they are there."""
    absent = [package for package in NEEDED if importlib.util.find_spec(package.module) is None]
    if not absent:
        return ""
    names = " and ".join(package.debian for package in absent)
    return f"{sys.executable} does not find {names}: {remedy(*absent)}"


def remedy(*packages: Package) -> str:
    """Returns what makes the interpreter that runs calcd find the packages."""
    apt = "apt-get install " + " ".join(package.debian for package in packages)
    pip = [package.pypi for package in packages if package.pypi]
    if sys.prefix != sys.base_prefix:
        if len(pip) == len(packages):
            return f"{sys.prefix}/bin/pip install {' '.join(pip)}"
        return (
            f"the virtual environment {sys.prefix} does not see Debian's packages: {apt}, and make it anew "
            "with /usr/bin/python3 -m venv --system-site-packages"
        )
    if os.path.dirname(os.path.realpath(sys.executable)) == "/usr/bin":
        return apt
    alternative = f", or {sys.executable} -m pip install {' '.join(pip)}" if len(pip) == len(packages) else ""
    return f"{apt}, and run calcd with /usr/bin/python3, which it is for{alternative}"
