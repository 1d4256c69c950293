"""calcd-metrics.socket: enabled while calcd serves, by the one command that the documents name."""

import re

import pytest
from support.daemon import TREE
from support.processes import wait_for
from system.machine import CommandError
from system.service import Service

DOCUMENT = (TREE / "docs" / "monitoring.md").read_text()
((COMMAND,), (UNDO,)) = (
    re.findall(rf"(?<=[`\n])systemctl {verb} calcd-metrics[^`\n]*", DOCUMENT)
    for verb in ("enable", "disable")
)
SCRAPE = (
    "python3 -c 'import urllib.request as r; "
    'print(r.urlopen("http://127.0.0.1:7079/metrics", timeout=60).read().decode())\''
)


def metrics(service: Service) -> dict[str, float]:
    lines = service.machine.output(SCRAPE).splitlines()
    series = [line.rpartition(" ") for line in lines if line and not line.startswith("#")]
    return {name: float(number) for name, _, number in series}


def test_it_is_not_enabled_where_nobody_has_asked_for_it(service: Service) -> None:
    service.start()
    state = service.machine.run("systemctl is-enabled calcd-metrics.socket", check=False).stdout
    assert state == "disabled\n"
    with pytest.raises(CommandError, match="Connection refused"):
        service.machine.output(SCRAPE)


def test_one_command_enables_it_while_calcd_serves_and_no_client_is_refused(service: Service) -> None:
    service.start()
    load = service.load()
    service.wait_for_another_connection()
    service.machine.run(COMMAND)
    assert metrics(service)["calcd_connections_limit"] == 1000
    service.wait_for_another_connection()
    assert set(load.finish()) == {"ok"}
    wait_for(lambda: metrics(service)["calcd_connections_opened_total"] > 0, "the clients' connections")
    assert service.machine.output("systemctl is-enabled calcd-metrics.socket") == "enabled"
    service.machine.run(UNDO)
    with pytest.raises(CommandError, match="Connection refused"):
        service.machine.output(SCRAPE)
    assert service.answer() == "5"


def test_the_service_tells_the_same_in_its_sandbox(service: Service) -> None:
    service.start()
    service.machine.run(COMMAND)
    assert service.answer() == "5"
    wait_for(lambda: metrics(service)["calcd_requests_total"] >= 1, "the request")
    wait_for(lambda: metrics(service)['calcd_handlers{state="waiting"}'] >= 4, "the handlers")
    found = metrics(service)
    assert found["calcd_memory_bytes"] > 5_000_000
    assert found['calcd_cpu_seconds_total{mode="user"}'] > 0
    assert "\ncalcd_requests_total " in service.machine.output("calcd --metrics")
    assert "\nrole:master\n" in service.machine.output("calcd --status")


def test_a_reload_and_a_stop_of_the_service_leave_the_socket_open(service: Service) -> None:
    service.start()
    service.machine.run(COMMAND)
    service.machine.run("systemctl reload calcd")
    assert metrics(service)['calcd_reloads_total{result="succeeded"}'] == 1
    service.machine.run("systemctl stop calcd.service")
    # systemd starts it for the scrape.
    assert metrics(service)['calcd_reloads_total{result="succeeded"}'] == 0
