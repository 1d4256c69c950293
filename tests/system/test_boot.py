"""calcd in a system that boots with it enabled."""

import pytest
from system.machine import COPY, COPY_TREE, SUITES, Machine


@pytest.mark.parametrize("suite", SUITES)
def test_enabled_it_runs_after_a_boot_and_stops_with_the_system(suite: str) -> None:
    install = f"{COPY_TREE}; make -C {COPY} install PREFIX=/usr; systemctl enable calcd.socket calcd.service"
    with Machine(suite, before_boot=install) as machine:
        assert machine.output("systemctl is-system-running") == "running"
        assert machine.show("calcd.service", "ActiveState") == "active"
        assert machine.output("calc-client add 2 3") == "5"
