"""apt install, remove and purge."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from package.workshop import BARE, EXCHANGE, INSTALL, NAMES, Package, machine_options
from support.readme import blocks
from system.machine import Machine
from system.service import RESTART_SETTINGS, restart_settings
from system.traces import BY_HAND, USERS, listing

from calcd.client.program.exit_status import ExitStatus

LISTING = listing("/exchange", "/var/lib/dpkg", "/var/lib/apt", "/var/cache")
ENABLED = "find /etc/systemd/system /var/lib/systemd/deb-systemd-* -name '*calcd*'"


@pytest.fixture(scope="module")
def installed(suite: str, exchange: Path, package: Package) -> Iterator[Machine]:
    """A Debian that had nothing of what calcd needs, and has the packages now."""
    with Machine(suite, root=BARE, options=machine_options(exchange)) as machine:
        assert machine.run("command -v python3", check=False).stdout == ""
        machine.run(f"{INSTALL} {package.debs}")
        yield machine


def test_it_serves_as_soon_as_apt_has_installed_it(installed: Machine) -> None:
    assert installed.output("calc-client add 2 3") == "5"
    enabled = installed.output("systemctl is-enabled calcd.socket calcd.service")
    assert enabled.split() == ["enabled", "enabled"]
    others = "calcd-metrics.socket calcd-proxied.socket calcd@.service calcd@.socket calcd.target"
    assert set(installed.run(f"systemctl is-enabled {others}", check=False).stdout.split()) == {"disabled"}
    for unit in ("calcd-metrics.socket", "calcd-proxied.socket", "calcd.target"):
        assert installed.show(unit, "ActiveState") == "inactive"
    assert installed.show("calcd.socket", "ActiveState") == "active"
    assert installed.output(f"systemctl --failed --quiet; dpkg --verify {' '.join(NAMES)}") == ""


def test_its_units_are_for_the_systemd_of_the_release(suite: str, installed: Machine) -> None:
    assert restart_settings(installed) == RESTART_SETTINGS[suite]
    units = "calcd.service calcd.socket calcd-metrics.socket calcd-proxied.socket"
    verified = installed.run(f"systemd-analyze verify --man=no {units}")
    assert verified.stderr == ""
    older = "systemd (<< 254~)" if len(RESTART_SETTINGS[suite]) > 1 else ""
    assert installed.output("dpkg-query --show --showformat='${Breaks}' calcd") == older


def test_the_readmes_commands_work(installed: Machine) -> None:
    # Those of redis-tools and nc, which this machine has not, are run in tests/system/test_readme.py.
    lines = [line for block in blocks("sh", "Use it") for line in block.splitlines() if " 7070" not in line]
    said = {line: installed.output(line) for line in lines}
    assert said["calc-client add 2 3"] == "5"
    assert "active (running)" in said["systemctl status calcd"]
    assert "connection 1 from 127.0.0.1" in said["journalctl -u calcd"]
    (program,) = blocks("python", "Use it")
    assert installed.run("python3 -", stdin=program).stdout == "5\n"


def test_the_journal_explains_its_lines(installed: Machine) -> None:
    installed.run("systemctl restart calcd")
    assert "Subject: calcd has started\n" in installed.output("journalctl -x -u calcd")


def test_it_runs_as_its_own_user_in_its_jail(installed: Machine) -> None:
    installed.run("systemctl start calcd")
    pid = installed.show("calcd.service", "MainPID")
    assert installed.output(f"ps -o user=,group= -p {pid}").split() == ["calcd", "calcd"]
    assert set(installed.output(f"ls -A /proc/{pid}/root/etc").split()) <= {"calcd", "localtime"}


def test_root_runs_it_without_what_the_environment_would_add(installed: Machine) -> None:
    installed.run("mkdir /tmp/trap; echo 'raise SystemExit(9)' >/tmp/trap/argparse.py")
    for program in ("calcd", "calc-client"):
        assert installed.output(f"PYTHONPATH=/tmp/trap {program} --version").startswith(program)


def test_no_other_package_takes_the_place_of_a_standard_module(installed: Machine) -> None:
    trap = "/usr/lib/python3/dist-packages/struct.py"
    installed.run(f"echo 'raise SystemExit(9)' >{trap}")
    restart = installed.run("systemctl restart calcd", check=False)
    installed.run(f"rm {trap}")
    assert restart.returncode == 0, restart.stderr
    assert installed.output("calc-client add 2 3") == "5"


def test_its_library_says_that_it_has_types(installed: Machine) -> None:
    installed.run("test -e /usr/lib/python3/dist-packages/calcd/py.typed")


def test_every_setting_in_its_configuration_is_at_its_default(installed: Machine) -> None:
    assert installed.output("calcd --check") == ""
    in_force = installed.output("calcd --dump-config")
    names = "sed -n 's/^#*\\([A-Za-z]*=\\).*/\\1/p'"
    assert installed.output(f"{names} /etc/calcd/calcd.conf") == installed.output(
        f"calcd --dump-config | {names} | uniq"
    )
    installed.run("grep -v '^# ' /etc/calcd/calcd.conf | sed 's/^#//' >/tmp/enabled.conf")
    assert installed.output("calcd --config /tmp/enabled.conf --dump-config") == in_force
    assert installed.output("calcd --config /dev/null --dump-config") == in_force


def test_a_machine_that_only_asks_has_no_daemon_until_it_is_installed_too(
    suite: str, exchange: Path, package: Package
) -> None:
    with Machine(suite, root=BARE, options=machine_options(exchange)) as machine:
        users = machine.output(USERS)
        machine.run(f"cd {EXCHANGE}; {blocks('sh', 'Install it')[1]}", stdin="y\n")
        packages = machine.output("dpkg-query --show --showformat='${Package} ${db:Status-Status}\n'")
        assert "calc-client installed" in packages.splitlines()
        daemons = {f"{name} installed" for name in ("calcd", "python3-daemon", "python3-systemd")}
        assert not daemons & set(packages.splitlines())
        assert machine.output(USERS) == users
        unanswered = machine.run("calc-client add 2 3", check=False)
        assert unanswered.returncode == ExitStatus.UNAVAILABLE, unanswered.stderr
        machine.run(f"{INSTALL} {package.debs}")
        assert machine.output("calc-client add 2 3") == "5"
        machine.run("apt-get -y remove calc-client")
        (program,) = blocks("python", "Use it")
        assert machine.run("python3 -", stdin=program).stdout == "5\n"


def test_it_says_who_has_its_address_and_what_to_do(tester: Machine, package: Package) -> None:
    tester.run("systemd-run --unit=stranger python3 -m http.server --bind 127.0.0.1 7070")
    tester.wait_for("ss -Hltn sport = :7070 | grep LISTEN")
    stranger = tester.show("stranger.service", "MainPID")
    said = tester.output(f"{INSTALL} {package.debs} 2>&1")
    assert "calcd is installed, but does not serve: calcd.socket could not be opened.\n" in said
    assert f"  It is taken: python3 (PID {stranger}) listens on 127.0.0.1:7070\n" in said
    assert "Address already in use" in tester.output("journalctl -u calcd.socket")
    another = re.search(r"(?m)^    \[Socket\]\n(    .*\n)+", said)
    then = re.search("  Then: (.*)", said)
    assert another and then
    tester.run("mkdir /etc/systemd/system/calcd.socket.d")
    tester.run("cat >/etc/systemd/system/calcd.socket.d/override.conf", stdin=textwrap.dedent(another[0]))
    tester.run(f"systemctl daemon-reload; {then[1]}")
    assert tester.output("calc-client --server 127.0.0.1:7170 add 2 3") == "5"
    said = tester.output(f"{INSTALL} --reinstall {package.debs} 2>&1")
    assert "does not serve" not in said


def test_remove_stops_it_and_keeps_the_configuration(tester: Machine, package: Package) -> None:
    tester.run(f"{INSTALL} {package.debs}; calc-client add 2 3")
    tester.run("systemctl restart calcd.service calcd-metrics.socket calcd-proxied.socket")
    tester.run("echo DrainTime=5s >>/etc/calcd/calcd.conf; apt-get -y remove calcd")
    assert tester.output("calc-client --version")
    assert tester.run("pgrep -a -u calcd", check=False).stdout == ""
    assert tester.output("ss -Hltn 'sport = :7070 or sport = :7071 or sport = :7079'") == ""
    assert tester.run("ls -d /run/calcd /run/calcd-root", check=False).stdout == ""
    tester.run(f"{INSTALL} {package.debs}")
    assert "DrainTime=5s" in tester.output("calcd --dump-config").splitlines()
    assert tester.output("calc-client add 2 3") == "5"


def test_purge_leaves_nothing_but_the_user(tester: Machine, package: Package) -> None:
    files, users = tester.output(LISTING), tester.output(USERS)
    tester.run(f"{INSTALL} {package.debs}; calc-client add 2 3; calcd --version")
    tester.run("mkdir /etc/calcd/calcd.conf.d; echo '[calcd]' >/etc/calcd/calcd.conf.d/local.conf")
    tester.run("echo '[calcd]' >/etc/calcd/blue.conf; mkdir /etc/calcd/blue.conf.d; systemctl restart calcd")
    tester.run("systemctl --quiet enable --now calcd@blue.socket calcd@blue.service calcd.target")
    tester.run(BY_HAND)
    tester.run(f"apt-get -y purge {' '.join(NAMES)}")
    assert tester.output(LISTING).splitlines() == files.splitlines()
    assert tester.output("find /run -xdev -name 'calcd*'") == ""
    assert tester.output(ENABLED) == ""
    left = set(tester.output(USERS).splitlines()) - set(users.splitlines())
    assert left
    assert all(line.startswith("calcd:") for line in left)
