"""What Debian's own tools say about the packages."""

import re
from pathlib import Path

from package.workshop import EXCHANGE, WORKSHOP, Package, copy, machine_options
from system.machine import Machine

# Debian 12's lintian does not know the policy of Debian 13, nor that a
# service needs no init script any more.
LINTIAN_SAYS = {
    "bookworm": [
        "newer-standards-version",
        "package-supports-alternative-init-but-no-init.d-script",
    ],
    "trixie": [],
}


def test_lintian_finds_nothing(suite: str, workshop: Machine, package: Package) -> None:
    report = workshop.output(
        f"lintian -EI --pedantic --allow-root --fail-on=none {package.changes}", seconds=300
    )
    tags = [line.split(": ")[2].split()[0] for line in report.splitlines()]
    assert tags == LINTIAN_SAYS[suite], report


def test_piuparts_installs_upgrades_and_purges_them(
    workshop: Machine, package: Package, undivided: str
) -> None:
    """In a root that has no network: all that it may install is in a repository of its own, and so is what
    they are an upgrade from."""
    workshop.run(
        f"mkdir /repository; cd /repository; cp {undivided} /bare/var/cache/apt/archives/*.deb .; "
        "apt-ftparchive packages . >Packages"
    )
    root = f"{EXCHANGE}/root"
    workshop.run(
        f"cp -a /bare {root}; rm -f {root}/etc/apt/sources.list.d/* {root}/var/cache/apt/archives/*.deb; "
        f"echo 'deb [trusted=yes] file:/repository ./' >{root}/etc/apt/sources.list"
    )
    said = workshop.run(
        f"piuparts --existing-chroot={root} --hard-link --keep-sources-list --no-eatmydata "
        f"--bindmount=/repository --tmpdir={EXCHANGE} {package.debs}",
        check=False,
        seconds=300,
    )
    workshop.run(f"rm -r {root}")
    assert said.returncode == 0, said.stdout
    passed = re.findall("PASS: (.*)", said.stdout)
    assert passed == [
        "Installation and purging test.",
        "Installation, upgrade and purging tests.",
        "All tests.",
    ]


def test_reprotest_builds_the_same_bytes_in_another_environment(workshop: Machine, package: Package) -> None:
    """All that it can vary: user, host name, kernel, time, time zone, locale, umask, path and more; but the
    order of files in folders, for which it would need FUSE."""
    tree = copy(workshop, "reprotest")
    workshop.run("useradd builder")
    files = " ".join(f"build/deb/*.{suffix}" for suffix in ("deb", "dsc", "tar.gz", "tar.xz"))
    vary = "user_group.available+=builder:builder,domain_host.use_sudo=1"
    said = workshop.run(
        f"cd {tree} && DEB_BUILD_OPTIONS=nocheck reprotest --no-diffoscope --variations=+all,-fileordering "
        f"--vary={vary} 'make deb' '{files}' -- null",
        check=False,
        seconds=300,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    sums = {
        name.rpartition("/")[2]: digest
        for digest, name in re.findall(r"^([0-9a-f]{64})  (\S+)$", said.stdout, re.MULTILINE)
    }
    assert len(sums) == 6
    assert sums.items() <= package.sums.items()


def test_autopkgtest_passes(suite: str, exchange: Path, package: Package) -> None:
    with Machine(suite, root=WORKSHOP, options=machine_options(exchange)) as machine:
        # There is nothing to download, and no network to wait for.
        machine.run(": >/etc/apt/sources.list; rm -f /etc/apt/sources.list.d/*")
        said = machine.run(
            # The isolation that a test asks for is what this machine is.
            f"autopkgtest --ignore-restrictions=isolation-container {package.debs} {package.dsc} -- null",
            check=False,
            seconds=300,
        )
    assert said.returncode == 0, said.stdout + said.stderr
    assert re.findall(r"^(\w+) +(PASS|FAIL|SKIP)", said.stdout, re.MULTILINE) == [
        ("unit", "PASS"),
        ("client", "PASS"),
        ("daemon", "PASS"),
    ]
