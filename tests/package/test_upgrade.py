"""From an older version of the packages to this one."""

import pytest
from package.workshop import COULD_NOT, IN_PLACE, INSTALL, Package
from system.machine import Machine
from system.service import Service

from calcd import __version__
from calcd.log import messages


@pytest.fixture(params=["undivided", "older"])
def before(request: pytest.FixtureRequest) -> str:
    """What is installed before the upgrade."""
    debs: str = request.getfixturevalue(request.param)
    return debs


def test_an_upgrade_under_load_to_the_first_version_that_can_be_upgraded_in_place_refuses_and_resets_nobody(
    tester: Machine, undivided: str, package: Package
) -> None:
    """It takes a restart, once: the open connections of one request each are answered first."""
    tester.run(f"{INSTALL} {undivided}")
    service = Service(tester)
    service.use_example("calcd.socket.d/unix-socket.conf")
    service.start()
    opened = tester.show("calcd.socket", "ActiveEnterTimestampMonotonic")
    loads = service.load(), service.load("unix:/run/calcd/calcd.sock")
    for options, says in (("", COULD_NOT), ("--reinstall", IN_PLACE.format(__version__))):
        assert says in tester.output(f"{INSTALL} {options} {package.debs} 2>&1")
        service.wait_for_another_connection()
    for load in loads:
        assert set(load.finish()) == {"ok"}
    assert tester.show("calcd.socket", "ActiveEnterTimestampMonotonic") == opened
    taken_up = service.journal(f"MESSAGE_ID={messages.STARTED.id} MESSAGE_ID={messages.UPGRADED.id}")
    assert [entry["CALCD_VERSION"] for entry in taken_up] == ["0.0.1", __version__, __version__]
    service.close()


def test_an_upgrade_treats_the_instances_that_run_as_the_service_and_starts_no_other(
    tester: Machine, package: Package
) -> None:
    tester.run(f"{INSTALL} {package.debs}")
    tester.run("echo '[calcd]' | tee /etc/calcd/blue.conf >/etc/calcd/green.conf; systemctl start calcd@blue")
    before = tester.show("calcd@blue", "MainPID")
    said = tester.output(f"{INSTALL} --reinstall {package.debs} 2>&1")
    assert (
        f"calcd@blue goes on as calcd {__version__}, without a restart: open connections stay open.\n" in said
    )
    assert tester.show("calcd@blue", "MainPID") == before
    status = tester.output("calcd --config /etc/calcd/blue.conf --pidfile /run/calcd@blue/calcd.pid --status")
    assert "upgrades:succeeded=1,failed=0\n" in status
    assert tester.show("calcd@green", "MainPID") == "0"
    assert tester.output("calc-client --server unix:/run/calcd-blue.sock add 2 3") == "5"
    removed = tester.run("apt-get -q -y remove calcd")
    # systemd warns of a service that is stopped before its socket.
    assert "calcd@blue" not in removed.stdout + removed.stderr
    assert tester.run("pgrep -a calcd", check=False).stdout == ""
    assert tester.output("find /run -maxdepth 1 -name 'calcd*'") == ""


def test_an_upgrade_keeps_the_local_configuration(tester: Machine, before: str, package: Package) -> None:
    tester.run(f"{INSTALL} {before}")
    tester.run("echo DrainTime=5s >>/etc/calcd/calcd.conf")
    tester.run("mkdir /etc/calcd/calcd.conf.d")
    tester.run("printf '[calcd]\\nLogConnections=none\\n' >/etc/calcd/calcd.conf.d/local.conf")
    tester.run(
        "mkdir /etc/systemd/system/calcd.socket.d; cd /etc/systemd/system/calcd.socket.d; "
        "printf '[Socket]\\nListenStream=\\nListenStream=127.0.0.1:7071\\n' >local.conf; "
        "systemctl daemon-reload; systemctl stop calcd.service; systemctl restart calcd.socket; "
        "systemctl disable calcd.service"
    )
    # The question that dpkg would ask, because both sides have changed the file, answered by its default.
    tester.run(
        f"{INSTALL} -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold {package.debs}"
    )
    in_force = tester.output("calcd --dump-config").splitlines()
    assert {"DrainTime=5s", "LogConnections=none"} <= set(in_force)
    assert tester.output("calc-client --server 127.0.0.1:7071 add 2 3") == "5"
    assert tester.run("systemctl is-enabled calcd.service", check=False).stdout == "disabled\n"
