"""What happens when one of the three processes dies."""

import contextlib
import os
import signal
import socket
from pathlib import Path

import pytest
from support.daemon import Calcd, ask, receive
from support.processes import DEADLINE, of_session, wait_for

from calcd.protocol.classic import Operation, encode_request

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

ADD = Operation.ADD
LISTENER_DIED = r"the listener \d+ died: killed by signal 9 \(SIGKILL\); .*"


def _kill_listener(calcd: Calcd) -> None:
    listener = calcd.listener
    os.kill(listener.pid, signal.SIGKILL)
    wait_for(lambda: not listener.exists, "the listener to be waited for")


def _listener_serves(calcd: Calcd) -> bool:
    with calcd.connect() as connection:
        assert ask(connection, ADD, 1, 1) == 2
        return {handler.parent for handler in calcd.handlers} == {each.pid for each in calcd.listeners}


def test_a_listener_that_dies_is_replaced_and_nobody_is_disconnected(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        calcd.expected.append(LISTENER_DIED)
        assert ask(connection, ADD, 1, 1) == 2
        address = calcd.address
        _kill_listener(calcd)
        with socket.create_connection(address, timeout=DEADLINE) as another:
            assert ask(another, ADD, 2, 2) == 4
        assert ask(connection, ADD, 3, 3) == 6
        calcd.wait_for_log(LISTENER_DIED)


def test_the_end_of_a_connection_is_logged_though_its_listener_has_died(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.expected.append(LISTENER_DIED)
        with calcd.connect() as connection:
            assert ask(connection, ADD, 1, 1) == 2
            calcd.wait_for_log("connection 1 .* opened, .*")
            _kill_listener(calcd)
            assert ask(connection, ADD, 3, 3) == 6
        calcd.wait_for_log(r"connection 1 .* ended .*: closed by client; requests: 2, errors: 0, .*")
        wait_for(lambda: not calcd.handlers, "the handler to be waited for")


def test_connections_whose_listener_has_died_are_drained_at_a_stop(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        calcd.expected.append(LISTENER_DIED)
        ask(connection, ADD, 1, 1)
        calcd.wait_for_log("connection 1 .* opened, .*")
        _kill_listener(calcd)
        calcd.signal(signal.SIGTERM)
        assert connection.recv(1) == b""
        calcd.wait_until_gone()
        calcd.wait_for_log(r"connection 1 .* closed by calcd, which stops; .*")


def test_a_listener_that_keeps_dying_is_replaced_less_and_less_often(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.expected.append(LISTENER_DIED)
        for times in range(1, 5):
            # A handler of the one before may serve still.
            wait_for(lambda: _listener_serves(calcd), "a listener that serves")
            _kill_listener(calcd)
            calcd.wait_for_log(LISTENER_DIED, times)
        delays = [line[1] for line in calcd.wait_for_log(r"the listener .* starts in ([\d.]+) s")]
        assert delays == ["0.1", "0.2", "0.4", "0.8"]
        wait_for(lambda: len(calcd.listeners) == 1, "the last listener")


def test_a_supervisor_that_dies_takes_the_rest_with_it_in_good_order(tmp_path: Path) -> None:
    """The listener drains and ends; the address is free at once for another calcd."""
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        address, session = calcd.address, calcd.session
        ask(connection, ADD, 1, 1)
        connection.sendall(encode_request(ADD, 20, 22)[:3])
        os.kill(calcd.supervisor.pid, signal.SIGKILL)
        connection.sendall(encode_request(ADD, 20, 22)[3:])
        assert receive(connection, 1) == (42,)
        assert connection.recv(1) == b""
        wait_for(lambda: not of_session(session), "listener and handler to end")
        assert calcd.start("--listen", "{}:{}".format(*address)).returncode == 0


def test_a_reload_that_is_asked_for_while_a_listener_is_replaced_is_carried_out(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.expected.append(LISTENER_DIED)
        for times in range(1, 6):
            _kill_listener(calcd)
            # At whatever moment of the replacement this comes.
            assert calcd.reload().returncode == 0
            calcd.wait_for_log("reloaded: .*", times)
            wait_for(lambda: len(calcd.listeners) == 1, "one listener")


def test_signals_that_mean_nothing_to_it_do_not_end_it(tmp_path: Path) -> None:
    """All that end a program by default, but for those that calcd obeys and those of a program's own
    fault."""
    obeyed = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGKILL}
    faults = {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS}
    others = {signal.SIGXCPU, signal.SIGTRAP}
    stops = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        assert ask(connection, ADD, 1, 1) == 2
        for number in signal.valid_signals() - obeyed - faults - others - stops:
            os.kill(calcd.supervisor.pid, number)
        for process in of_session(calcd.session):  # as systemctl kill does
            os.kill(process.pid, signal.SIGQUIT)
            os.kill(process.pid, signal.SIGUSR2)
        assert ask(connection, ADD, 2, 2) == 4
        with calcd.connect() as another:
            assert ask(another, ADD, 2, 3) == 5
        assert calcd.reload().returncode == 0


def test_signals_to_the_whole_service_do_not_hurt_it(tmp_path: Path) -> None:
    """systemctl kill sends them to every process."""
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        calcd.expected.append("since .*")
        assert ask(connection, ADD, 1, 1) == 2
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGINT):
            for process in of_session(calcd.session):
                if number != signal.SIGINT or process.pid != calcd.supervisor.pid:
                    with contextlib.suppress(ProcessLookupError):  # a reload ends some of them
                        os.kill(process.pid, number)
        calcd.wait_for_log("since .*")
        calcd.wait_for_log("reloaded: .*")
        assert ask(connection, ADD, 2, 2) == 4


def test_a_listener_that_is_told_to_end_is_replaced(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.expected.append(r"the listener \d+ died: exit status 0; .*")
        old = calcd.listener
        os.kill(old.pid, signal.SIGTERM)
        calcd.wait_for_log(r"the listener \d+ died: .*")
        with calcd.connect() as connection:
            assert ask(connection, ADD, 1, 1) == 2


def test_a_zombie_is_never_left(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.expected += [LISTENER_DIED, "connection .* the listener died with the handler's report"]
        for _ in range(100):
            calcd.connect().close()
        _kill_listener(calcd)
        wait_for(lambda: calcd.listeners, "the new listener")
        for _ in range(100):
            calcd.connect().close()
        wait_for(
            lambda: not any(p.belongs(lambda p: p.is_zombie) for p in of_session(calcd.session)),
            "everybody to be waited for",
        )
        wait_for(lambda: not calcd.handlers, "the last connections' end")
