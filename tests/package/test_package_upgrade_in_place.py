"""An upgrade of the packages has the calcd that runs go on as the new code. Where that does not work, it
restarts calcd, and says why."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from package.workshop import (
    COULD_NOT,
    IN_PLACE,
    INSTALL,
    MODULES,
    RESTARTED,
    Package,
    machine_options,
    rebuild,
)
from support.processes import wait_for
from system.machine import Machine
from system.service import LISTENER, SPARE_HANDLER, SUPERVISOR, Service

from calcd import __version__
from calcd.log import messages
from calcd.log.messages import Message
from calcd.supervisor.upgrade.state import VERSION

_UPGRADES = 4  # ten in a row, which take longer, have been seen to do no more
AS_BEFORE = "calcd runs on as it was before, because "
KEPT = "/run/calcd.before"
# What shows that systemd has started it once, and whom.
UNIT = ("MainPID", "ExecMainStartTimestamp", "ActiveEnterTimestamp", "NRestarts")
# The code of each of the three processes differs, and nothing of [Service] but comments.
NEWER = (
    "sed -i 's/^Version: .*/&+newer/; s/(= [^)]*/&+newer/' */DEBIAN/control; "
    f"sed -i 's/^__version__ = .*/__version__ = \"99.0.0\"/' */{MODULES}/__init__.py; "
    "sed -i -E 's/b\"calcd: (supervisor|listener|waiting for a connection)/&, newer/' "
    f"calcd/{MODULES}/{{launch/takeover,listener/main,handler/process}}.py; "
    "sed -i 's/^Description=.*/&, newer/; s/^\\[Service]/&\\n\\n# newer\\n; newer\\n/' "
    "$(find calcd -name calcd.service)"
)


@pytest.fixture(scope="module")
def installed(suite: str, exchange: Path, package: Package) -> Iterator[Machine]:
    """A machine with the packages."""
    with Machine(suite, options=machine_options(exchange)) as machine:
        # Without it, each upgrade makes the index of manual pages anew.
        machine.run(f"rm -f /var/lib/man-db/auto-update; {INSTALL} {package.debs}")
        yield machine


@pytest.fixture(scope="module")
def calcd(package: Package) -> str:
    """The daemon's package."""
    return next(deb for deb in package.debs.split() if "/calcd_" in deb)


@pytest.fixture(scope="module")
def newer(installed: Machine, package: Package) -> str:
    """A newer version of the packages."""
    return rebuild(installed, package.debs, "/root/newer", NEWER)


@pytest.fixture
def service(installed: Machine, calcd: str) -> Iterator[Service]:
    """calcd from the packages. At the end it serves, and has logged no problem."""
    installed.run(f"dpkg -i {calcd}")
    service = Service(installed)
    service.start()
    yield service
    assert service.answer() == "5"
    assert installed.run(f"ls {KEPT}", check=False).stdout == ""
    service.close()


def install(service: Service, debs: str) -> str:
    """What it says."""
    return service.machine.output(f"dpkg -i {debs} 2>&1")


def differing(service: Service, calcd: str, edit: str) -> str:
    """The daemon's package with an edit, which is bash, run where the package is a folder."""
    folder = service.machine.output("mktemp -u")
    return rebuild(service.machine, calcd, folder, f"cd calcd; {edit}; cd ..")


def unit(service: Service) -> dict[str, str]:
    return {name: service.show(name) for name in UNIT}


def titles(service: Service, title: str) -> set[str]:
    return {process.title for process in service.processes(title)}


def wait_for_handlers(service: Service, title: str) -> None:
    wait_for(lambda: titles(service, SPARE_HANDLER) <= {title}, "handlers of the new code alone")


def sessions(service: Service, message: Message) -> list[str]:
    """The numbers of the connections that the lines of the calcd that runs are about."""
    return service.machine.output(
        "journalctl --sync; journalctl --output=cat --output-fields=CALCD_SESSION "
        f"_PID={service.show('MainPID')} MESSAGE_ID={message.id}"
    ).splitlines()


def files(service: Service) -> int:
    """How many the supervisor has open."""
    return int(service.machine.output(f"ls /proc/{service.show('MainPID')}/fd | wc -l"))


def memory(service: Service) -> int:
    """What the supervisor has to itself, in kilobytes."""
    private = (
        f"awk '/^Private/ {{ sum += $2 }} END {{ print sum }}' /proc/{service.show('MainPID')}/smaps_rollup"
    )
    return int(service.machine.output(private))


def test_upgrades_in_a_row_disturb_no_connection(service: Service, package: Package, newer: str) -> None:
    """From one version to another and back, each time with a new file of Python, while 500 clients are idle
    between their first request and their last, 50 ask 20 times in a second, and 4 connect again and again.

    The supervisor's memory is compared with that after the second upgrade: before the first it had been
    started by the program calcd. From then on it differs by about a hundredth; a quarter is a leak.
    """
    machine = service.machine
    service.configure("[calcd]\nIdleTimeout=infinity\n")
    machine.run("systemctl restart calcd")
    before, files_before = unit(service), files(service)
    idle, busy, storm = service.staying("idle", 500), service.staying("busy", 50), service.load()
    memories = []
    for version, mark, debs in [("99.0.0", ", newer", newer), (__version__, "", package.debs)] * (
        _UPGRADES // 2
    ):
        assert IN_PLACE.format(version) in install(service, debs)
        assert unit(service) == before
        assert titles(service, SUPERVISOR) == {SUPERVISOR + mark}
        assert LISTENER + mark in titles(service, LISTENER)
        wait_for_handlers(service, SPARE_HANDLER + mark)
        memories.append(memory(service))
        # As dpkg does it.
        machine.run(
            "python=$(readlink -f /usr/bin/python3); cp -p $python $python.new; mv $python.new $python"
        )
    outcomes = storm.finish()
    assert outcomes.keys() == {"ok"}
    wait_for(lambda: "\nlisteners:2\n" in machine.output("calcd --status"), "the first listener and the last")
    status = machine.output("calcd --status").splitlines()
    assert {"connected_clients:550", f"upgrades:succeeded={_UPGRADES},failed=0"} <= set(status)
    assert idle.finish() == {"ok": 500}
    assert busy.finish() == {"ok": 50}

    connections = 550 + outcomes["ok"]
    wait_for(
        lambda: len(set(sessions(service, messages.CONNECTION_ENDED))) == connections,
        "every end in the journal",
    )
    opened, ended = (
        sessions(service, message) for message in (messages.CONNECTION_OPENED, messages.CONNECTION_ENDED)
    )
    assert len(opened) == connections
    assert sorted(opened) == sorted(ended)

    wait_for(lambda: len(service.processes(LISTENER)) == 1, "the end of the first listener")
    wait_for(lambda: files(service) == files_before, "as many open files as before")
    waiting = len(service.processes(SPARE_HANDLER))
    assert len(service.processes()) == 2 + waiting
    assert max(memories[2:]) < 1.25 * memories[1], memories


def test_a_change_of_the_service_section_is_a_restart_that_says_so(service: Service, calcd: str) -> None:
    edit = "sed -i 's/^WatchdogSec=.*/WatchdogSec=31s/' $(find . -name calcd.service)"
    before = unit(service)
    said = install(service, differing(service, calcd, edit))
    assert f"{RESTARTED}[Service] of calcd.service has changed.\n" in said
    assert service.show("WatchdogUSec") == "31s"
    assert unit(service)["MainPID"] != before["MainPID"]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (
            f"echo 'import nowhere' >>{MODULES}/launch/takeover.py",
            "it is not whole: No module named 'nowhere'; install it again",
        ),
        (
            f"sed -i 's/^VERSION = .*/VERSION = {VERSION - 1}/' {MODULES}/supervisor/upgrade/state.py",
            f"the state of the running calcd is not understood: it has version {VERSION}, and this one "
            f"understands version {VERSION - 1}; restart calcd",
        ),
    ],
    ids=["new code that is broken", "older code that does not understand the state"],
)
def test_an_upgrade_that_fails_is_a_restart_that_says_why(
    service: Service, calcd: str, edit: str, reason: str
) -> None:
    reason = f"upgrade failed: the installed code does not take over, calcd {__version__} serves on: {reason}"
    service.expected = [re.escape(reason)]
    before = unit(service)
    said = install(service, differing(service, calcd, edit))
    assert f"{COULD_NOT}calcd: {reason}\n" in said
    assert service.pid(SUPERVISOR) != int(before["MainPID"])


def do_what_it_says(service: Service, said: str) -> None:
    """Upgrades, once the configuration is right, by the command that the package has named."""
    then = re.search("  Put that right, then: (.*)", said)
    assert then
    service.machine.run(then[1])
    assert service.logged(messages.UPGRADED)


def test_a_configuration_that_is_wrong_ends_nothing(service: Service, calcd: str) -> None:
    service.configure("[calcd]\nDrainTime=soon\n")
    before = unit(service)
    said = install(service, calcd)
    assert (
        f"{AS_BEFORE}the installed one would not start:\n  calcd: /etc/calcd/calcd.conf.d/test.conf" in said
    )
    assert unit(service) == before
    service.configure("[calcd]\nDrainTime=5s\n")
    do_what_it_says(service, said)
    assert unit(service) == before


def test_a_configuration_that_the_service_does_not_see_ends_nothing(service: Service, calcd: str) -> None:
    service.expected = ["upgrade failed: .*"]
    link = "/etc/calcd/calcd.conf.d/test.conf"
    service.machine.run(f"mkdir -p $(dirname {link}); echo '[calcd]' >/srv/conf; ln -s /srv/conf {link}")
    before = unit(service)
    said = install(service, calcd)
    service.machine.run(f"rm {link} /srv/conf")
    assert f"{AS_BEFORE}the installed one perhaps would not start:\n  calcd: upgrade failed: " in said
    assert f"{link}: cannot be read: No such file or directory: it is a symbolic link to /srv/conf" in said
    assert unit(service) == before
    do_what_it_says(service, said)
    assert unit(service) == before


def test_what_forbids_restarts_holds_for_upgrades_too(service: Service, calcd: str) -> None:
    policy = "/usr/sbin/policy-rc.d"
    service.machine.run(f"printf '#!/bin/sh\nexit 101\n' >{policy}; chmod +x {policy}")
    before = unit(service)
    said = install(service, calcd)
    service.machine.run(f"rm {policy}")
    assert f"{AS_BEFORE}{policy} forbids to restart it.\n" in said
    assert unit(service) == before
    assert not service.logged(messages.UPGRADED)


def test_a_service_that_is_stopped_is_started(service: Service, calcd: str) -> None:
    service.machine.run("systemctl stop calcd.service calcd.socket")
    said = install(service, calcd)
    assert service.show("ActiveState") == "active"
    assert not re.search("(?m)^calcd ", said), said
    assert len(service.logged(messages.STARTED)) == 2
    assert not service.logged(messages.UPGRADED)


def test_a_package_that_cannot_be_unpacked_changes_nothing(service: Service, calcd: str) -> None:
    deb = differing(service, calcd, "touch usr/bin/env")
    before = unit(service)
    refused = service.machine.run(f"dpkg -i {deb}", check=False)
    assert "trying to overwrite '/usr/bin/env', which is also in package coreutils" in refused.stderr
    assert unit(service) == before
