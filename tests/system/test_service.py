"""calcd as a service: how it starts, what it says of itself, how it reloads and stops."""

import itertools
import re
from typing import Any

import pytest
from support.patience import patience
from support.processes import wait_for
from system.machine import SUITES, CommandError
from system.service import (
    FAILED_START,
    HANDLER,
    LISTENER,
    MAIN_DIED,
    PIDFILE,
    SPARE_HANDLER,
    SUPERVISOR,
    Service,
)

from calcd.log import messages

# Seconds between attempts to start, by the unit and, from systemd 254 on, its drop-in (systemd.service(5)).
PAUSES = {"bookworm": [3.0], "trixie": [0.5, 0.79, 1.25, 1.99, 3.15, 5.0]}


def test_systemctl_start_returns_when_the_next_request_is_answered(service: Service) -> None:
    assert service.machine.output("systemctl start calcd && calc-client add 2 3") == "5"
    assert service.show("ActiveState") == "active"


def test_the_first_connection_starts_it_and_is_answered(service: Service) -> None:
    service.machine.run("systemctl start calcd.socket")
    assert service.show("ActiveState") == "inactive"
    assert service.answer() == "5"
    wait_for(lambda: service.show("ActiveState") == "active", "a start that is over for systemd, too")


def test_ps_shows_which_process_is_which_and_whom_a_handler_serves(service: Service) -> None:
    service.start()
    talk = service.machine.spawn("exec 3<>/dev/tcp/127.0.0.1/7070; ss -Htn dport = :7070; read")
    client = talk.read_line().split()[3]
    wait_for(lambda: service.processes(HANDLER), "a handler")
    supervisor = service.pid(SUPERVISOR)  # once the launcher, which has the same title, has left
    titles = [process.title for process in service.processes()]
    assert {*titles} == {LISTENER, f"{HANDLER}{client}", SPARE_HANDLER, SUPERVISOR}
    assert len(titles) - titles.count(SPARE_HANDLER) == 3
    assert supervisor == int(service.show("MainPID"))
    assert service.machine.output(f"cat {PIDFILE}") == service.show("MainPID")


def test_systemctl_status_tells_how_many_are_connected_and_were_served(service: Service) -> None:
    service.start()
    service.connect(3)
    talk = service.machine.spawn("exec 3<>/dev/tcp/127.0.0.1/7070; echo connected; read")
    assert talk.read_line() == "connected\n"
    pattern = r"1 connection now, 3 served since 20\d\d-.*"
    wait_for(lambda: re.fullmatch(pattern, service.show("StatusText")), "a status line that is true")
    assert re.search(rf'Status: "{pattern}"', service.machine.output("systemctl status calcd"))


def test_the_journal_has_both_lines_of_each_of_2000_connections(service: Service) -> None:
    service.start()
    assert service.connect(2000) == {"ok": 2000}
    wait_for(lambda: len(service.logged(messages.CONNECTION_ENDED)) >= 2000, "2,000 ends in the journal")
    opened = service.logged(messages.CONNECTION_OPENED)
    ended = service.logged(messages.CONNECTION_ENDED)
    sessions = [str(number) for number in range(1, 2001)]
    assert sorted((entry["CALCD_SESSION"] for entry in opened), key=int) == sessions
    assert sorted((entry["CALCD_SESSION"] for entry in ended), key=int) == sessions
    peers = {entry["CALCD_SESSION"]: entry["CALCD_PEER"] for entry in opened}
    for entry in ended:
        assert entry["CALCD_PEER"] == peers[entry["CALCD_SESSION"]]
        assert entry["CALCD_REQUESTS"] == "1"
        assert entry["CALCD_ENDING"] == "quit"
        assert entry["SYSLOG_IDENTIFIER"] == "calcd"


def test_a_reload_puts_new_settings_in_force_and_disturbs_nobody(service: Service) -> None:
    service.start()
    talk = service.machine.spawn("(echo 1 + 1; read _; echo 2 + 2) | calc-client")
    assert talk.read_line() == "2\n"
    listener = service.pid(LISTENER)
    service.configure("[calcd]\nLogConnections=none\n")
    service.machine.run("systemctl reload calcd")
    assert service.logged(messages.RELOADED)
    before = len(service.logged(messages.CONNECTION_OPENED))
    assert service.answer() == "5"
    assert len(service.logged(messages.CONNECTION_OPENED)) == before
    assert listener != min(process.pid for process in service.processes(LISTENER) if process.pid != listener)
    assert talk.finish() == "4\n"


def test_a_bad_configuration_fails_the_reload_and_changes_nothing(service: Service) -> None:
    service.expected = ["Reload failed for calcd.service - .*"]
    service.start()
    before = service.pid(SUPERVISOR), service.pid(LISTENER)
    service.configure("[calcd]\nDrainTime=10s\nLogConections=none\n")
    with pytest.raises(CommandError):
        service.machine.run("systemctl reload calcd")
    reason = "/etc/calcd/calcd.conf.d/test.conf:3: unknown setting 'LogConections'"
    assert any(reason in entry["MESSAGE"] for entry in service.journal())
    assert service.show("ActiveState") == "active"
    assert (service.pid(SUPERVISOR), service.pid(LISTENER)) == before
    assert service.answer() == "5"
    assert service.logged(messages.CONNECTION_OPENED)


def test_a_bad_configuration_fails_the_start_and_says_why(service: Service) -> None:
    service.expected = [*FAILED_START]
    service.configure("[calcd]\nDrainTime=soon\n")
    with pytest.raises(CommandError):
        service.start()
    assert any(
        "/etc/calcd/calcd.conf.d/test.conf:2: DrainTime" in entry["MESSAGE"] for entry in service.journal()
    )


def test_clients_wait_while_the_configuration_is_bad_and_are_served_once_it_is_good(service: Service) -> None:
    service.expected = [*FAILED_START]
    service.extend_unit("calcd.service", "[Service]\nRestartSec=100ms\n")
    service.configure("[calcd]\nDrainTime=soon\n")
    service.machine.run("systemctl start calcd.socket")
    waiting = service.machine.spawn(f"calc-client --timeout {patience(60)} add 2 3")
    wait_for(lambda: int(service.show("NRestarts")) >= 5, "five attempts to start")
    assert service.machine.show("calcd.socket", "ActiveState") == "active"
    service.configure("[calcd]\nDrainTime=10s\n")
    assert waiting.finish() == "5\n"


def test_a_bad_configuration_is_a_few_lines_every_few_seconds_until_it_is_good(service: Service) -> None:
    service.expected = [*FAILED_START]
    service.configure("[calcd]\nDrainTime=soon\n")
    service.machine.run("systemctl start calcd.socket")
    waiting = service.machine.spawn(f"calc-client --timeout {patience(60)} add 2 3")
    pauses = PAUSES[service.machine.suite]

    def attempts() -> list[dict[str, Any]]:
        return service.journal("--identifier=calcd")

    wait_for(lambda: len(attempts()) > len(pauses), "as many attempts as there are different pauses")
    assert service.machine.show("calcd.socket", "ActiveState") == "active"
    service.configure("[calcd]\nDrainTime=10s\n")
    failed = attempts()[: len(pauses) + 1]
    assert all("test.conf:2: DrainTime: 'soon' is not" in attempt["MESSAGE"] for attempt in failed)
    times = [int(attempt["__MONOTONIC_TIMESTAMP"]) / 1e6 for attempt in failed]
    for pause, (earlier, later) in zip(pauses, itertools.pairwise(times), strict=True):
        assert later - earlier > pause
    cursors = [entry["__CURSOR"] for entry in service.journal()]
    places = [cursors.index(attempt["__CURSOR"]) for attempt in failed]
    assert max(later - earlier for earlier, later in itertools.pairwise(places)) <= 7
    assert waiting.finish() == "5\n"


def test_restarts_under_load_refuse_and_reset_nobody(service: Service) -> None:
    """A hundred in a row, on the newest Debian."""
    restarts = 100 if service.machine.suite == SUITES[-1] else 10
    service.start()
    load = service.load()
    service.machine.run(f"for i in {{1..{restarts}}}; do systemctl restart calcd || exit; done", seconds=300)
    service.wait_for_another_connection()
    outcomes = load.finish()
    assert set(outcomes) == {"ok"}
    assert len(service.logged(messages.STOPPED)) == restarts
    assert len(service.logged(messages.STARTED)) == restarts + 1


def test_reloads_under_load_refuse_and_reset_nobody(service: Service) -> None:
    service.start()
    load = service.load()
    for _ in range(5):
        service.machine.run("systemctl reload calcd")
        service.wait_for_another_connection()
    outcomes = load.finish()
    assert set(outcomes) == {"ok"}
    assert len(service.logged(messages.RELOADED)) == 5


def test_stop_leaves_nothing_behind(service: Service) -> None:
    service.start()
    service.connect(10)
    talk = service.machine.spawn("exec 3<>/dev/tcp/127.0.0.1/7070; echo connected; read")
    assert talk.read_line() == "connected\n"
    service.machine.run("systemctl stop calcd.service calcd.socket")
    assert service.show("Result") == "success"
    assert service.machine.run("pgrep -u calcd", check=False).stdout == ""
    assert service.machine.run("ls -d /run/calcd", check=False).stdout == ""
    assert service.machine.output("ss -Hltn sport = :7070") == ""
    assert len(service.logged(messages.STOPPED)) == 1


def test_a_stop_kills_what_is_left_after_its_time(service: Service) -> None:
    service.expected = [
        r"calcd.service: State 'stop-sigterm' timed out. Killing.",
        r"calcd.service: Killing process \d+ \(.*\) with signal SIGKILL.",
        *MAIN_DIED,
        r"calcd.service: Failed with result 'timeout'.",
    ]
    service.extend_unit("calcd.service", "[Service]\nTimeoutStopSec=500ms\n")
    service.configure("[calcd]\nDrainTime=1min\n")
    service.start()
    talk = service.machine.spawn("exec 3<>/dev/tcp/127.0.0.1/7070; echo connected; cat <&3")
    assert talk.read_line() == "connected\n"
    wait_for(lambda: service.processes(HANDLER), "a handler")
    service.machine.run(f"kill -STOP {service.pid(HANDLER)}; systemctl stop calcd.socket calcd.service")
    assert service.show("Result") == "timeout"
    assert service.machine.run("pgrep -u calcd", check=False).stdout == ""
    talk.abandon()


def test_the_watchdog_replaces_a_service_that_hangs(service: Service) -> None:
    service.expected = [r"calcd.service: Watchdog timeout .*", *MAIN_DIED]
    service.extend_unit("calcd.service", "[Service]\nWatchdogSec=1s\n")
    service.start()
    supervisor = service.pid(SUPERVISOR)
    pings = set()

    def has_pinged_twice() -> bool:
        pings.add(service.show("WatchdogTimestampMonotonic"))
        return len(pings) > 2

    wait_for(has_pinged_twice, "two pings to the watchdog")
    assert service.pid(SUPERVISOR) == supervisor
    service.machine.run(f"kill -STOP {supervisor}")
    wait_for(lambda: int(service.show("NRestarts")) >= 1, "a restart by the watchdog")
    service.wait_until_serving()
    assert service.pid(SUPERVISOR) != supervisor
