"""Instances: calcd@NAME.service beside calcd.service, each with its own settings and address."""

from collections.abc import Iterator

import pytest
from support.processes import wait_for
from system.machine import Machine
from system.service import load

BLUE, GREEN = "unix:/run/calcd-blue.sock", "127.0.0.1:7072"
TCP = "/usr/share/doc/calcd/examples/calcd@.socket.d/tcp-port.conf"
GREENS_DROP_INS = "/etc/systemd/system/calcd@green.socket.d"
ALL = "calcd calcd@blue calcd@green"


@pytest.fixture
def instances(installed: Machine) -> Iterator[Machine]:
    """calcd.service and two instances beside it, which have different limits."""
    installed.run(
        "echo '[calcd]' >/etc/calcd/blue.conf; printf '[calcd]\\nMaxRequests=1\\n' >/etc/calcd/green.conf; "
        f"mkdir -p {GREENS_DROP_INS}; cp {TCP} {GREENS_DROP_INS}; systemctl daemon-reload; "
        f"systemctl start {ALL}"
    )
    yield installed
    installed.run(
        "systemctl --quiet disable calcd@.socket calcd@.service calcd.target; "
        "systemctl stop 'calcd@*' calcd.target calcd.socket calcd; systemctl reset-failed; "
        f"rm -r /etc/calcd/{{blue,green}}.conf {GREENS_DROP_INS}; systemctl daemon-reload"
    )
    assert installed.output("find /run -maxdepth 1 -name 'calcd[@-]*' ! -name calcd-root") == ""


def pids(machine: Machine) -> list[int]:
    """Of the supervisors, in the order of ALL."""
    return [int(machine.show(f"{unit}.service", "MainPID")) for unit in ALL.split()]


def answers(machine: Machine, server: str) -> list[str]:
    """To two requests on one connection."""
    asked = machine.run(f"printf 'ADD 2 3\\r\\nADD 4 5\\r\\n' | nc -N {server}", check=False)
    return [line for line in asked.stdout.splitlines() if line.startswith(":")]


def test_each_has_its_own_settings_address_and_processes(instances: Machine) -> None:
    assert (
        answers(instances, "127.0.0.1 7070") == answers(instances, "-U /run/calcd-blue.sock") == [":5", ":9"]
    )
    assert answers(instances, "127.0.0.1 7072") == [":5"]
    before = pids(instances)
    assert len(set(before)) == 3
    instances.run("printf '[calcd]\\nMaxRequests=1\\n' >/etc/calcd/blue.conf; systemctl reload calcd@blue")
    assert answers(instances, "-U /run/calcd-blue.sock") == [":5"]
    assert pids(instances) == before
    status = instances.output("calcd --status --pidfile /run/calcd@blue/calcd.pid")
    assert f"process_id:{before[1]}" in status
    instances.run("systemctl restart calcd@green")
    assert [now == then for now, then in zip(pids(instances), before, strict=True)] == [True, True, False]
    assert instances.output(f"calc-client --server {GREEN} 2 + 3") == "5"
    (started,) = instances.journal("--unit=calcd@blue --grep=serves.on")[-1:]
    assert started["CALCD_LISTEN"] == BLUE


def test_whoever_is_in_no_group_of_calcds_does_not_get_to_the_unix_socket(instances: Machine) -> None:
    assert instances.output("stat -c '%U:%G %a' /run/calcd-blue.sock") == "root:calcd 660"
    refused = instances.run(f"runuser -u nobody -- calc-client --server {BLUE} 2 + 3", check=False)
    assert "Permission denied" in refused.stderr
    assert instances.output(f"runuser -u nobody -g calcd -- calc-client --server {BLUE} 2 + 3") == "5"


def test_the_target_stops_and_starts_instances_and_leaves_the_service_alone(instances: Machine) -> None:
    service, *_ = pids(instances)
    instances.run("systemctl --quiet enable calcd@{blue,green}.socket calcd@{blue,green}.service")
    # Not one command, restart: calcd(8) says why. The command waits for the target, and not for all that it
    # stands for.
    instances.run("systemctl start calcd.target; systemctl stop calcd.target")
    wait_for(lambda: pids(instances) == [service, 0, 0], "the end of both")
    instances.run("systemctl start calcd.target")
    for server in (BLUE, GREEN):
        assert instances.output(f"calc-client --server {server} 2 + 3") == "5"
    assert pids(instances)[0] == service


def test_one_stops_with_its_socket_and_the_others_serve_on(instances: Machine) -> None:
    before = pids(instances)
    instances.run("systemctl stop calcd@blue.socket")
    wait_for(lambda: pids(instances)[1] == 0, "the end of blue")
    assert pids(instances) == [before[0], 0, before[2]]
    assert answers(instances, "-U /run/calcd-blue.sock") == []


def test_a_restart_of_all_without_their_sockets_refuses_nobody(instances: Machine) -> None:
    service, *before = pids(instances)
    clients = load(instances, BLUE)
    instances.run("systemctl restart 'calcd@*.service'")
    after = pids(instances)
    assert after[0] == service
    assert not {0, *before} & {*after[1:]}
    assert set(clients.finish()) == {"ok"}


def test_an_instance_without_a_file_says_which_one_is_missing(instances: Machine) -> None:
    instances.run("systemctl start calcd@red", check=False)
    wait_for(
        lambda: any(
            "/etc/calcd/red.conf: cannot be read: No such file" in entry["MESSAGE"]
            for entry in instances.journal("--unit=calcd@red")
        ),
        "a line that says it",
    )
