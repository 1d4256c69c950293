"""Where the Debian packages are built and examined, and where they are installed."""

import platform
from pathlib import Path
from typing import NamedTuple

from system.machine import COPY, PACKAGES, SUITES, Machine, Root

# What builds the packages, and what examines them.
WORKSHOP = Root(
    (
        *PACKAGES,
        *("build-essential", "debhelper", "dh-python", "pybuild-plugin-pyproject", "python3-setuptools"),
        *("python3-wheel", "python3-venv", "python3-pytest-xdist", "git"),
        *("python3-redis", "libredis-perl", "inetutils-telnet", "socat", "curl", "libedit2"),
        *("lintian", "piuparts", "reprotest", "faketime", "sudo", "autopkgtest", "apt-utils"),
    )
)
# A Debian that has nothing of what calcd needs.
BARE = Root(
    ("systemd", "systemd-sysv", "dbus", "procps", "iproute2"),
    at_hand=("python3-daemon", "python3-systemd", "python3-seccomp"),
)

# Where a build runs all its tests. On the Debian of this machine they run already, with the same Python.
COMPLETE = tuple(
    suite for suite in SUITES if suite != platform.freedesktop_os_release().get("VERSION_CODENAME")
)

EXCHANGE = "/exchange"  # where all of a suite's machines have a folder in common
NAMES = ("calc-client", "calcd", "python3-calcd")  # of what one source gives
QUICK = "DEB_BUILD_OPTIONS=nocheck make"
INSTALL = "apt-get -q -y install"
MODULES = "usr/lib/python3/dist-packages/calcd"
# What an upgrade says of the service: with the version, or before the reason.
IN_PLACE = "calcd goes on as calcd {}, without a restart: open connections stay open."
RESTARTED = "calcd is restarted, which ends its connections, because "
COULD_NOT = f"{RESTARTED}it could not be upgraded in place:\n  "


class Package(NamedTuple):
    """What make deb has built, as paths in the machines."""

    debs: str  # of all three, for a command line
    dsc: str
    changes: str
    sums: dict[str, str]  # the SHA-256 of each file, by its name
    errors: str = ""  # what make deb has said


def collect(machine: Machine, tree: str) -> Package:
    """What make deb has built in a tree of the machine."""
    folder = f"{tree}/build/deb"
    files = machine.output(f"ls {folder}/*").splitlines()
    debs, (dsc,), (changes,) = (
        [file for file in files if file.endswith(suffix)] for suffix in (".deb", ".dsc", ".changes")
    )
    assert [Path(deb).name.partition("_")[0] for deb in debs] == list(NAMES)
    lines = machine.output(f"cd {folder} && sha256sum *").splitlines()
    return Package(" ".join(debs), dsc, changes, {name: digest for digest, name in map(str.split, lines)})


def rebuild(machine: Machine, debs: str, folder: str, edit: str) -> str:
    """Packages that differ from these, in a new folder of the machine, as paths for a command line.

    edit is bash, run where each package is a folder of its name.
    """
    machine.run(
        f"set -e; mkdir {folder}; cd {folder}; "
        f"for deb in {debs}; do dpkg-deb -R $deb $(dpkg-deb -f $deb Package); done; {edit}; "
        "for tree in */; do dpkg-deb -Znone -b $tree .; rm -r $tree; done"
    )
    return " ".join(machine.output(f"ls {folder}/*.deb").splitlines())


def copy(machine: Machine, name: str) -> str:
    """Another copy of the tree in the workshop, not yet built."""
    tree = f"/home/{name}"
    machine.run(f"mkdir {tree}; tar -C {COPY} --exclude=./build -c . | tar -C {tree} -x")
    return tree


def machine_options(exchange: Path) -> list[str]:
    # piuparts makes the device nodes of its chroot.
    return [f"--bind={exchange}:{EXCHANGE}", "--capability=CAP_MKNOD"]
