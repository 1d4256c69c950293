from collections.abc import Iterator
from pathlib import Path

import pytest
from package.workshop import (
    BARE,
    COMPLETE,
    EXCHANGE,
    MODULES,
    QUICK,
    WORKSHOP,
    Package,
    collect,
    copy,
    machine_options,
    rebuild,
)
from system.machine import COPY, COPY_TREE, SUITES, Background, Machine, base_root

CONTROL = "supervisor/held/control.py"  # where calcd is asked


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A complete build is there for COMPLETE alone. With that as its parameter, its test would come first,
    and wait for the build while no other runs."""

    def is_wanted(item: pytest.Item) -> bool:
        is_complete = "complete_build" in getattr(item, "fixturenames", ())
        return not is_complete or item.callspec.params["suite"] in COMPLETE  # type: ignore[attr-defined]

    items[:] = filter(is_wanted, items)


@pytest.fixture(scope="session", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def exchange(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the suite's machines have in common."""
    return tmp_path_factory.mktemp(f"exchange-{suite}")


@pytest.fixture(scope="session")
def workshop(suite: str, exchange: Path) -> Iterator[Machine]:
    """The machine that builds the packages."""
    bare = base_root(suite, BARE)
    options = [*machine_options(exchange), f"--bind-ro={bare}:/bare"]
    with Machine(suite, root=WORKSHOP, options=options) as machine:
        machine.run(COPY_TREE)
        yield machine


@pytest.fixture(scope="session")
def complete_build(workshop: Machine) -> Background:
    """make deb with its tests, which takes minutes: the other tests go on meanwhile."""
    # As a service: from outside the machine its processes would have a parent that they cannot see.
    run = f"systemd-run --quiet --pipe --wait --working-directory={COPY}"
    return workshop.spawn(f"{run} make deb >/root/build.log 2>&1 || {{ cat /root/build.log; false; }}")


@pytest.fixture(scope="session")
def built(workshop: Machine) -> str:
    """The folder of the workshop that the packages are built in."""
    return copy(workshop, "package")


@pytest.fixture(scope="session")
def package(request: pytest.FixtureRequest, suite: str, workshop: Machine, built: str) -> Package:
    """The packages, built without their tests."""
    if suite in COMPLETE:
        request.getfixturevalue("complete_build")  # is under way from now on
    errors = workshop.run(f"cd {built}; mkdir dist; touch dist/old.whl; umask 077; {QUICK} deb").stderr
    workshop.run(f"cp -r {built}/build {EXCHANGE}/")
    return collect(workshop, EXCHANGE)._replace(errors=errors)


def make_older(workshop: Machine, package: Package, name: str, edit: str) -> str:
    """The paths of packages whose code says that they are older, and whose calcd.conf differs."""
    older = f"sed -i 's/^__version__ = .*/__version__ = \"0.0.1\"/' */{MODULES}/__init__.py"
    differs = "echo '# older' >>calcd/etc/calcd/calcd.conf"
    return rebuild(workshop, package.debs, f"{EXCHANGE}/{name}", f"{edit}; {older}; {differs}")


@pytest.fixture(scope="session")
def older(workshop: Machine, package: Package) -> str:
    """An older version of the packages."""
    edit = "sed -i 's/^Version: .*/&~/; s/(= [^)]*/&~/' */DEBIAN/control"
    return make_older(workshop, package, "older", edit)


@pytest.fixture(scope="session")
def undivided(workshop: Machine, package: Package) -> str:
    """The one package that was before there were three, with all that they hold, in its last version. Its
    calcd does not know what an upgrade in place is."""
    edit = (
        "for tree in calc-client python3-calcd; do "
        "rm -r $tree/DEBIAN $tree/usr/share/doc; cp -a $tree/. calcd; rm -r $tree; done; "
        "sed -i 's/^Version: .*/Version: 0.1.0-0upstream1/; s/python3-calcd ([^)]*), //; s/calc-client, //' "
        "calcd/DEBIAN/control; rm calcd/DEBIAN/preinst; "
        f"sed -i 's/if request in (RELOAD, UPGRADE)/if request == RELOAD/' calcd/{MODULES}/{CONTROL}"
    )
    return make_older(workshop, package, "undivided", edit)


@pytest.fixture
def tester(suite: str, exchange: Path) -> Iterator[Machine]:
    """A machine to install the packages in. What calcd depends on is there."""
    with Machine(suite, options=machine_options(exchange)) as machine:
        yield machine
