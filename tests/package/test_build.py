"""make deb."""

import pytest
from package.workshop import QUICK, Package, collect, copy
from support.readme import blocks
from system.machine import SOURCE, Machine

COMMIT = "git -c user.name=Test -c user.email=test@localhost commit -q -m 'A tree'"


@pytest.fixture(scope="module")
def repository(workshop: Machine) -> str:
    """The tree as a git repository."""
    tree = copy(workshop, "repository")
    workshop.run(f"cd {tree} && git init -q && git add --all && {COMMIT}")
    return tree


def test_twice_gives_the_same_bytes(workshop: Machine, package: Package) -> None:
    workshop.run(f"cd /home/package && {QUICK} deb")
    assert collect(workshop, "/home/package").sums == package.sums
    assert sorted(name.rpartition(".")[2] for name in package.sums) == [
        *("buildinfo", "changes", "deb", "dsc", "gz", "xz")
    ]


def test_the_package_is_of_what_is_committed_and_says_what_is_not(
    workshop: Machine, repository: str, package: Package
) -> None:
    workshop.run(f"cd {repository} && echo '# changed' >>calcd/arithmetic.py && touch new")
    built = workshop.run(f"cd {repository} && {QUICK} deb")
    workshop.run(f"cd {repository} && git restore . && rm new")
    assert (
        "not in the package, because it is not committed:\n M calcd/arithmetic.py\n?? new\n" in built.stderr
    )
    assert collect(workshop, repository).sums == package.sums


def test_without_a_repository_it_says_that_everything_is_packaged(
    workshop: Machine, package: Package
) -> None:
    built = workshop.run(f"cd /home/package && mkdir -p dist && touch dist/old.whl && {QUICK} deb")
    assert "not a git repository: the package is of all that is in this folder" in built.stderr
    assert collect(workshop, "/home/package").sums == package.sums


def test_a_build_that_fails_keeps_what_was_built_before(workshop: Machine, package: Package) -> None:
    workshop.run("cd /home/package && mv pyproject.toml pyproject")
    assert workshop.run(f"cd /home/package && {QUICK} deb", check=False).returncode != 0
    workshop.run("cd /home/package && mv pyproject pyproject.toml")
    assert collect(workshop, "/home/package").sums == package.sums


def test_it_names_the_packages_that_are_missing(bare: Machine) -> None:
    refused = bare.run(f"{SOURCE}/packaging/make-deb", check=False)
    assert refused.returncode == 1
    assert "dpkg-buildpackage is missing: apt-get install dpkg-dev" in refused.stderr


def test_the_readmes_commands_build_and_install_it(workshop: Machine, repository: str) -> None:
    for command in blocks("sh", "Install it")[0].splitlines():
        workshop.run(f"cd {repository} && DEB_BUILD_OPTIONS=nocheck {command}")
    assert workshop.output("calc-client add 2 3") == "5"
    workshop.run("apt-get -y purge calcd")
