from collections.abc import Iterator
from pathlib import Path

import pytest
from package.workshop import BARE, EXCHANGE, QUICK, WORKSHOP, Package, collect, copy, machine_options
from system.machine import COPY, COPY_TREE, SUITES, Background, Machine, base_root


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
    """The machine that builds the package."""
    bare = base_root(suite, BARE)
    options = [*machine_options(exchange), f"--bind-ro={bare}:/bare"]
    with Machine(suite, root=WORKSHOP, options=options) as machine:
        machine.run(COPY_TREE)
        yield machine


@pytest.fixture(scope="session")
def complete_build(workshop: Machine) -> Background:
    """make deb with all of its tests, which takes a minute: the other tests go on meanwhile."""
    # As a service: from outside the machine its processes would have a parent that they cannot see.
    run = f"systemd-run --quiet --pipe --wait --working-directory={COPY}"
    return workshop.spawn(f"{run} make deb >/root/build.log 2>&1 || {{ cat /root/build.log; false; }}")


@pytest.fixture(scope="session")
def package(request: pytest.FixtureRequest, workshop: Machine) -> Package:
    """The package, built without its tests."""
    request.getfixturevalue("complete_build")  # is under way from now on
    tree = copy(workshop, "package")
    errors = workshop.run(f"cd {tree}; {QUICK} deb").stderr
    workshop.run(f"cp -r {tree}/build {EXCHANGE}/")
    return collect(workshop, EXCHANGE)._replace(errors=errors)


@pytest.fixture(scope="session")
def older(workshop: Machine, package: Package) -> str:
    """The path of a package that is an older version of it: its code says so, and its calcd.conf differs."""
    folder = f"{EXCHANGE}/older"
    init = "tree/usr/lib/python3/dist-packages/calcd/__init__.py"
    workshop.run(
        f"mkdir {folder}; cd {folder}; dpkg-deb -R {package.deb} tree; "
        "sed -i 's/^Version: .*/Version: 0.0.1-1/' tree/DEBIAN/control; "
        f"sed -i 's/^__version__ = .*/__version__ = \"0.0.1\"/' {init}; "
        "echo '# older' >>tree/etc/calcd/calcd.conf; dpkg-deb -b tree .; rm -r tree"
    )
    return workshop.output(f"ls {folder}/*.deb")


@pytest.fixture
def tester(suite: str, exchange: Path) -> Iterator[Machine]:
    """A machine to install the package in. What calcd depends on is there."""
    with Machine(suite, options=machine_options(exchange)) as machine:
        yield machine
