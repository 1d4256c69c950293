"""make deb."""

import pytest
from package.workshop import NAMES, QUICK, Package, collect, copy
from support.readme import blocks
from system.machine import SOURCE, Machine

COMMIT = "git -c user.name=Test -c user.email=test@localhost commit -q -m 'A tree'"


@pytest.fixture(scope="module")
def another(workshop: Machine) -> str:
    """Another copy of the tree that the package was built from."""
    return copy(workshop, "another")


def test_without_a_repository_it_says_that_everything_is_packaged(package: Package) -> None:
    assert "not a git repository: the package is of all that is in this folder" in package.errors


def test_the_readmes_commands_build_what_is_committed_and_install_it(
    workshop: Machine, another: str, package: Package
) -> None:
    """The same bytes as from a folder that is no repository, has files of pip's, and is one user's alone."""
    workshop.run(
        f"cd {another}; git init -q; git add --all; {COMMIT}; echo '#' >>calcd/__main__.py; touch new"
    )
    for command in blocks("sh", "Install it")[0].splitlines():
        said = workshop.run(f"cd {another}; DEB_BUILD_OPTIONS=nocheck {command}")
        if command == "make deb":
            uncommitted = "not in the package, because it is not committed:\n M calcd/__main__.py\n?? new\n"
            assert uncommitted in said.stderr
    assert collect(workshop, another).sums == package.sums
    assert sorted(name.rpartition(".")[2] for name in package.sums) == [
        *("buildinfo", "changes", "deb", "deb", "deb", "dsc", "gz", "xz")
    ]
    assert workshop.output("calc-client add 2 3") == "5"
    workshop.run(f"apt-get -y purge {' '.join(NAMES)}")


def test_a_build_that_fails_keeps_what_was_built_before(
    workshop: Machine, built: str, package: Package
) -> None:
    workshop.run(f"cd {built}; mv pyproject.toml pyproject")
    failed = workshop.run(f"cd {built}; {QUICK} deb", check=False)
    workshop.run(f"cd {built}; mv pyproject pyproject.toml")
    assert failed.returncode != 0
    assert collect(workshop, built).sums == package.sums


def test_it_says_how_to_get_dpkg_buildpackage(tester: Machine) -> None:
    refused = tester.run(f"{SOURCE}/packaging/make-deb", check=False)
    assert refused.returncode == 1
    assert "dpkg-buildpackage is missing: apt-get install dpkg-dev" in refused.stderr


def test_it_names_the_packages_that_are_missing(workshop: Machine, another: str) -> None:
    workshop.run(f"cd {another}; sed -i 's/^Build-Depends:/& nowhere-to-be-found,/' packaging/debian/control")
    refused = workshop.run(f"cd {another}; make deb", check=False)
    assert refused.returncode != 0
    assert "nowhere-to-be-found" in refused.stderr
    assert "packages to build with are missing: apt-get build-dep ./packaging" in refused.stderr
