"""Each of the three processes dies, hangs or does not start, while clients come and go."""

from support.processes import wait_for
from system.service import HANDLER, LISTENER, MAIN_DIED, SUPERVISOR, Service

from calcd.log import messages
from calcd.log.messages import Message


def no_zombie(service: Service) -> bool:
    return all(process.state != "Z" for process in service.processes())


def sessions(service: Service, message: Message) -> set[str]:
    return {entry["CALCD_SESSION"] for entry in service.logged(message)}


def ends(service: Service) -> set[str]:
    """A handler's report may die with the listener that has read it; the connection's end is logged."""
    return sessions(service, messages.CONNECTION_ENDED) | sessions(service, messages.REPORT_LOST)


def test_a_killed_handler_costs_its_own_connection_alone(service: Service) -> None:
    service.expected = [r"connection \d+ from \S+ ended after .* s: its handler \d+ died: killed by .*"]
    service.start()
    talk = service.machine.spawn("exec 3<>/dev/tcp/127.0.0.1/7070; echo connected; cat <&3; echo end")
    assert talk.read_line() == "connected\n"
    wait_for(lambda: service.processes(HANDLER), "a handler")
    handler = service.pid(HANDLER)
    load = service.load()
    service.machine.run(f"kill -KILL {handler}")
    wait_for(lambda: service.logged(messages.HANDLER_DIED), "the end in the journal")
    assert talk.finish() == "end\n"
    assert set(load.finish()) == {"ok"}
    (died,) = service.logged(messages.HANDLER_DIED)
    assert died["CALCD_HANDLER"] == str(handler)
    assert died["CALCD_ENDING"] == "killed by signal 9 (SIGKILL)"
    wait_for(lambda: no_zombie(service), "no zombie")


def test_a_killed_listener_is_replaced_and_nobody_is_refused(service: Service) -> None:
    service.expected = [r"the listener \d+ died: killed by signal 9 .*"]
    service.start()
    supervisor, listener = service.pid(SUPERVISOR), service.pid(LISTENER)
    load = service.load()
    service.machine.run(f"kill -KILL {listener}")
    wait_for(lambda: service.processes(LISTENER), "another listener")
    service.wait_until_serving()
    outcomes = load.finish()
    # The connection that it had accepted and not yet given to a handler dies with it.
    assert outcomes.keys() <= {"ok", "reset", "short"}
    assert sum(outcomes.values()) - outcomes["ok"] <= 1
    assert service.pid(SUPERVISOR) == supervisor
    assert service.pid(LISTENER) != listener
    wait_for(
        lambda: ends(service) == sessions(service, messages.CONNECTION_OPENED), "every end in the journal"
    )
    wait_for(lambda: no_zombie(service), "no zombie")


def test_a_killed_supervisor_is_restarted_and_nobody_is_refused(service: Service) -> None:
    service.expected = [*MAIN_DIED]
    service.start()
    supervisor, listener = service.pid(SUPERVISOR), service.pid(LISTENER)
    load = service.load()
    service.machine.run(f"kill -KILL {supervisor}")
    wait_for(lambda: service.show("MainPID") not in ("0", str(supervisor)), "another supervisor")
    service.wait_until_serving()
    outcomes = load.finish()
    # systemd kills what the supervisor leaves behind: a connection that is open at that moment is reset.
    assert set(outcomes) <= {"ok", "reset", "short"}
    assert service.pid(SUPERVISOR) != supervisor
    assert service.pid(LISTENER) != listener
    wait_for(lambda: no_zombie(service), "no zombie")


def test_a_stopped_listener_is_replaced_before_the_watchdog_restarts_all(service: Service) -> None:
    service.expected = [
        r"the listener \d+ has not answered for 1s, and is killed: .*",
        r"the listener \d+ died: killed by signal 9 .*",
    ]
    service.extend_unit("calcd.service", "[Service]\nWatchdogSec=2s\n")
    service.start()
    supervisor, listener = service.pid(SUPERVISOR), service.pid(LISTENER)
    talk = service.machine.spawn("(echo 1 + 1; read _; echo 2 + 2) | calc-client")
    assert talk.read_line() == "2\n"
    service.machine.run(f"kill -STOP {listener}")
    assert service.answer() == "5"
    assert talk.finish() == "4\n"
    wait_for(lambda: service.logged(messages.LISTENER_DIED), "the end of the listener")
    assert service.answer() == "5"
    assert (service.pid(SUPERVISOR), service.show("NRestarts")) == (supervisor, "0")
    assert service.pid(LISTENER) != listener
    assert len(service.logged(messages.LISTENER_HANGS)) == len(service.logged(messages.LISTENER_DIED)) == 1


def test_a_listener_that_does_not_start_is_no_restart_storm_and_a_stop_is_answered(service: Service) -> None:
    """Not even the watchdog restarts calcd, which would cut off who is connected."""
    service.expected = [r"the listener \d+ died: .*", r"no new listener: .*; .* the next try is in .* s"]
    service.extend_unit("calcd.service", "[Service]\nWatchdogSec=1s\n")
    service.start()
    supervisor, listener = service.pid(SUPERVISOR), service.pid(LISTENER)
    talk = service.machine.spawn("(echo 1 + 1; read _; echo 2 + 2) | calc-client")
    assert talk.read_line() == "2\n"
    program = "/usr/lib/calcd/calcd/listener/main.py"
    service.machine.run(f"mv {program} {program}.away; echo 'raise SystemExit(3)' >{program}")
    try:
        service.machine.run(f"kill -KILL {listener}")
        wait_for(lambda: len(service.logged(messages.LISTENER_FAILED)) >= 4, "four failures in the journal")
        waits = [float(entry["CALCD_DELAY"]) for entry in service.logged(messages.LISTENER_FAILED)]
        assert waits[:4] == [0.2, 0.4, 0.8, 1.6]
        assert (service.pid(SUPERVISOR), service.show("NRestarts")) == (supervisor, "0")
        assert talk.finish() == "4\n"
        service.machine.run("systemctl stop calcd.socket calcd.service", seconds=2.5)
        assert service.show("Result") == "success"
    finally:
        service.machine.run(f"mv {program}.away {program}")
