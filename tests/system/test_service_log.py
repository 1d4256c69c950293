"""journald stands still, is slow, is restarted and killed, while clients come and go."""

import contextlib
from collections.abc import Iterator

import pytest
from support.processes import wait_for
from system.service import SUPERVISOR, Service

from calcd.log import messages

JOURNALD = "systemctl show --value --property=MainPID systemd-journald"


@contextlib.contextmanager
def stopped_journald(service: Service) -> Iterator[None]:
    service.machine.run(f"kill -STOP $({JOURNALD})")
    try:
        yield
    finally:
        service.machine.run(f"kill -CONT $({JOURNALD})")


def is_complete(service: Service, connections: int) -> bool:
    """Every connection has its two lines, but for those that are counted as lost."""
    lost = sum(int(entry["CALCD_LOST"]) for entry in service.logged(messages.LOG_LOST))
    logged = len(service.logged(messages.CONNECTION_OPENED)) + len(service.logged(messages.CONNECTION_ENDED))
    return logged + lost == 2 * connections


@pytest.mark.parametrize("target", ["journal", "syslog", "stderr"])
def test_a_journald_that_stands_still_holds_up_nobody_and_gets_every_line_later(
    service: Service, target: str
) -> None:
    service.extend_unit("calcd.service", "[Service]\nWatchdogSec=1500ms\n")
    service.configure(f"[calcd]\nLogTarget={target}\n")
    service.start()
    supervisor = service.pid(SUPERVISOR)
    with stopped_journald(service):
        # More lines than the kernel keeps for journald, and more than the watchdog's time.
        assert service.connect(700) == {"ok": 700}
        service.machine.run("calcd --reload")
        fed = service.show("WatchdogTimestampMonotonic")
        wait_for(lambda: service.show("WatchdogTimestampMonotonic") != fed, "the watchdog to be fed")
        assert service.answer() == "5"
    for line in ("opened, handler", "ended after"):
        wait_for(lambda line=line: count(service, line) == 701, f"701 lines {line!r}")  # type: ignore[misc]
    assert count(service, "reloaded: ") == 1
    assert count(service, "messages lost: ") == 0
    assert service.pid(SUPERVISOR) == supervisor


def count(service: Service, text: str) -> int:
    return len([entry for entry in service.journal("--identifier=calcd") if text in entry["MESSAGE"]])


def test_a_journald_that_is_slow_gets_every_line(service: Service) -> None:
    service.start()
    pulses = f"while :; do kill -STOP $({JOURNALD}); sleep .1; kill -CONT $({JOURNALD}); sleep .01; done"
    slow = service.machine.spawn(f"{{ {pulses}; }} & read _; kill %1; wait; kill -CONT $({JOURNALD})")
    try:
        assert service.connect(700) == {"ok": 700}
    finally:
        slow.finish()
    wait_for(lambda: is_complete(service, 700), "every line")
    assert not service.logged(messages.LOG_LOST)


def test_a_journald_that_is_restarted_gets_every_line(service: Service) -> None:
    service.start()
    load = service.load()
    for _ in range(2):
        service.machine.run("systemctl restart systemd-journald")
        service.machine.wait_for("journalctl --sync")
        service.wait_for_another_connection()
    outcomes = load.finish()
    assert set(outcomes) == {"ok"}
    wait_for(lambda: is_complete(service, outcomes["ok"]), "every line")
    assert not service.logged(messages.LOG_LOST)


@pytest.mark.parametrize("target", ["journal", "syslog", "stderr"])
def test_the_successor_of_a_journald_that_is_killed_gets_every_line_that_it_had_not_read(
    service: Service, target: str
) -> None:
    """What it has read and not yet written dies with it, so it is killed while it has nothing in hand."""
    service.configure(f"[calcd]\nLogTarget={target}\n")
    service.start()
    assert service.answer() == "5"
    wait_for(lambda: count(service, "ended after") == 1, "the first connection in the journal")
    with stopped_journald(service):
        # More lines than the kernel keeps for journald.
        assert service.connect(700) == {"ok": 700}
        service.machine.run(f"kill -KILL $({JOURNALD})")
        service.machine.wait_for("journalctl --sync")
    for line in ("opened, handler", "ended after"):
        wait_for(lambda line=line: count(service, line) == 701, f"701 lines {line!r}")  # type: ignore[misc]
    assert count(service, "messages lost: ") == 0


@pytest.mark.parametrize("target", ["journal", "syslog"])
def test_a_journald_whose_sockets_are_made_anew_gets_every_line(service: Service, target: str) -> None:
    service.configure(f"[calcd]\nLogTarget={target}\n")
    service.start()
    units = "systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service"
    service.machine.run(f"systemctl stop {units}")
    assert service.answer() == "5"
    service.machine.run(f"systemctl start {units}")
    assert service.answer() == "5"
    wait_for(lambda: count(service, "ended after") == 2, "both connections in the journal")
    assert count(service, "messages lost: ") == 0


def test_what_the_unit_directs_to_a_file_arrives_there(service: Service) -> None:
    file = "/var/log/calcd.log"
    service.machine.run(f"rm -f {file}")
    service.extend_unit("calcd.service", f"[Service]\nStandardError=append:{file}\n")
    service.start()
    assert service.answer() == "5"
    service.machine.run("systemctl reload calcd; systemctl stop calcd")
    lines = service.machine.output(f"cat {file}")
    for text in ("serves on 127.0.0.1:7070", "connection 1 from", "reloaded: ", "stopped: "):
        assert text in lines
    assert not [
        entry for entry in service.journal("--identifier=calcd") if "connection 1" in entry["MESSAGE"]
    ]


@pytest.mark.parametrize("target", ["journal", "syslog", "stderr"])
def test_a_log_namespace_gets_every_line_by_the_drop_in_of_the_documents(
    service: Service, target: str
) -> None:
    service.use_example("calcd.service.d/log-namespace.conf")
    service.configure(f"[calcd]\nLogTarget={target}\n")
    service.start()
    assert service.answer() == "5"
    own = f"--namespace=calcd _PID={service.pid(SUPERVISOR)}"

    def begun() -> list[str]:
        return [" ".join(entry["MESSAGE"].split()[:2]) for entry in service.machine.journal(own)]

    wait_for(lambda: begun()[-2:] == ["connection 1"] * 2, "both lines of the connection in the namespace")
    assert begun()[-3].startswith("calcd ")
    assert count(service, "connection 1") == 0


def test_the_drop_in_for_a_log_namespace_is_the_unit_without_the_journals_folder(service: Service) -> None:
    def mounts() -> set[str]:
        return set(service.show("BindReadOnlyPaths").split())

    before = mounts()
    service.use_example("calcd.service.d/log-namespace.conf")
    assert before - mounts() == {"/run/systemd/journal:/run/systemd/journal:rbind"}
    assert mounts() < before


def test_no_limit_drops_lines_that_come_fast(service: Service) -> None:
    """More than the 37,500 in half a minute that are journald's limit where the disk has room."""
    service.extend_unit("calcd.service", "[Service]\nExecStartPre=/usr/bin/seq 40000\n")
    service.start()
    service.machine.wait_for(
        "journalctl --sync; [ $(journalctl --unit=calcd --identifier=seq --output=cat | wc -l) = 40000 ]"
    )
