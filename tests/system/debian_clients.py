"""The clients of Redis and the HAProxy that a Debian release has, without a boot: they only connect, so a
chroot(8) into the root directory is enough, and the network is the host's. For a HAProxy under systemd, it is
the root of a machine."""

from pathlib import Path

from system.machine import OWN_MOUNTS, Root, base_root, require_host

_PACKAGES = (
    *("redis-tools", "python3-redis", "libredis-perl", "haproxy"),
    *("systemd", "systemd-sysv", "procps", "iproute2", "socat"),
)
ROOTS = {
    "bookworm": Root(packages=_PACKAGES),
    "trixie": Root(packages=(*_PACKAGES, "valkey-tools")),  # Debian 12 has no Valkey
}
FOLDER = "/mnt"  # where the client sees the test's folder


def inside(suite: str, *command: str) -> list[str]:
    """The command, to be run in the root of the release."""
    return ["/usr/sbin/chroot", str(_root(suite)), *command]


def inside_with_folder(suite: str, folder: Path, *command: str) -> list[str]:
    """The same, with a folder of the host's in place of FOLDER. The mount ends with the command."""
    enter = f'mount --bind "$0" "$1{FOLDER}" && exec chroot "$@"'
    return [*OWN_MOUNTS, "sh", "-c", enter, str(folder), str(_root(suite)), *command]


def _root(suite: str) -> Path:
    require_host()
    return base_root(suite, ROOTS[suite])
