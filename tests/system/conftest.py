from collections.abc import Iterator

import pytest
from system.machine import COPY, COPY_TREE, SUITES, Machine
from system.service import Service


@pytest.fixture(scope="module", params=SUITES)
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A booted Debian, as it is without calcd."""
    with Machine(request.param) as machine:
        yield machine


@pytest.fixture(scope="module")
def installed(machine: Machine) -> Machine:
    """The machine with calcd installed from the tree to /usr."""
    machine.run(f"{COPY_TREE}; make -C {COPY} install PREFIX=/usr")
    return machine


@pytest.fixture
def service(installed: Machine) -> Iterator[Service]:
    """calcd in the machine: stopped at first, and with no problems in its log at the end."""
    service = Service(installed)
    yield service
    service.close()
