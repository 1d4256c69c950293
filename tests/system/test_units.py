"""What systemd itself thinks of the unit files."""

import re

import pytest
from system.machine import Machine
from system.service import RESTART_SETTINGS, restart_settings

UNITS = (
    "calcd.service calcd.socket calcd-metrics.socket calcd-proxied.socket "
    "calcd@blue.service calcd@blue.socket calcd.target"
)
HIGHEST_EXPOSURE = 0.2  # of 10; the best TCP daemons in Debian have 1.1


def test_systemd_has_nothing_to_say_about_the_units(installed: Machine) -> None:
    # That includes the manual pages that Documentation= names.
    verified = installed.run(f"systemd-analyze verify {UNITS}")
    assert verified.stdout + verified.stderr == ""


def test_pauses_between_attempts_to_start_grow_where_systemd_knows_how(installed: Machine) -> None:
    assert restart_settings(installed) == RESTART_SETTINGS[installed.suite]


def test_an_administrator_has_the_last_word_on_the_pauses(installed: Machine) -> None:
    drop_in = "/etc/systemd/system/calcd.service.d/override.conf"  # the name that systemctl edit gives
    installed.run(f"mkdir -p $(dirname {drop_in}); printf '[Service]\\nRestartSec=2s\\n' >{drop_in}")
    installed.run("systemctl daemon-reload")
    assert installed.show("calcd.service", "RestartUSec") == "2s"
    installed.run(f"rm -r $(dirname {drop_in}); systemctl daemon-reload")


def test_systemd_has_nothing_to_say_about_the_examples(installed: Machine) -> None:
    units, folders = "/etc/systemd/system", "/usr/share/doc/calcd/examples/calcd*.d"
    assert len(installed.output(f"ls {folders}/*.conf").split()) > 3
    installed.run(f"cp -r {folders} {units}")
    verified = installed.run(f"systemd-analyze verify {UNITS}", check=False)
    installed.run(f"rm -r {units}/calcd*.d")
    assert verified.stdout + verified.stderr == ""


@pytest.mark.parametrize("unit", ["calcd.service", "calcd@blue.service"])
def test_the_service_is_exposed_to_next_to_nothing(installed: Machine, unit: str) -> None:
    report = installed.output(f"systemd-analyze security --no-pager {unit}")
    exposure = re.search(rf"Overall exposure level for {unit}: ([0-9.]+)", report)
    assert exposure and float(exposure[1]) <= HIGHEST_EXPOSURE, report


@pytest.mark.parametrize("kind", ["sysusers", "tmpfiles"])
def test_installing_again_changes_nothing(installed: Machine, kind: str) -> None:
    before = installed.output("getent passwd calcd; stat /run/calcd-root")
    installed.run(f"systemd-{kind} {'--create' if kind == 'tmpfiles' else ''} /usr/lib/{kind}.d/calcd.conf")
    assert installed.output("getent passwd calcd; stat /run/calcd-root") == before
