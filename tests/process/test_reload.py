"""A reload: new settings, and nobody who is connected notices."""

import functools
import os
import signal
import socket
from pathlib import Path

import pytest
from support.addresses import accepts, own_address
from support.clients import Clients
from support.daemon import Calcd, ask, waiting
from support.processes import Process, wait_for
from support.storm import Storm

from calcd.protocol.classic import Operation

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

ADD = Operation.ADD


def test_open_connections_are_not_disturbed(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        assert ask(connection, ADD, 1, 2) == 3
        old = calcd.listener
        assert calcd.reload().returncode == 0
        assert ask(connection, ADD, 2, 3) == 5
        with calcd.connect() as another:
            assert ask(another, ADD, 3, 4) == 7
        assert old.exists, "the connection's end has to be told by the listener that accepted it"
        connection.close()
        wait_for(lambda: not old.exists, "the old listener to end")
        calcd.wait_for_log(r"connection 1 .* ended .*: closed by client; requests: 2, .*")


def test_sighup_reloads(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        old = calcd.listener
        calcd.signal(signal.SIGHUP)
        calcd.wait_for_log("reloaded: .*")
        wait_for(lambda: not old.exists, "the old listener to end")
        assert calcd.listener.exists


def test_the_command_waits_for_the_result(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        for times in range(1, 6):
            result = calcd.reload()
            assert (result.returncode, result.stderr) == (0, "")
            assert len(calcd.wait_for_log("reloaded: .*")) == times


def test_new_settings_are_in_force(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.config.write_text("[calcd]\nLogConnections=none\n")
        assert calcd.reload().returncode == 0
        with calcd.connect() as connection:
            silent = "{}:{}".format(*connection.getsockname())
            ask(connection, ADD, 1, 1)
        calcd.config.write_text("[calcd]\nLogConnections=all\n")
        assert calcd.reload().returncode == 0
        with calcd.connect() as connection:
            shown = "{}:{}".format(*connection.getsockname())
            ask(connection, ADD, 1, 1)
        # By the address: numbers follow the order in which the supervisor hears of connections, and two
        # listeners tell it of these.
        calcd.wait_for_log(rf"connection \d+ from {shown} opened, .*")
        assert not [line for line in calcd.log() if silent in line]


def test_addresses_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    calcd = Calcd(tmp_path, listen=())
    calcd.config.write_text("[calcd]\nListen=127.0.0.1:0\n")
    with calcd:
        first = calcd.address
        calcd.config.write_text(f"[calcd]\nListen=127.0.0.1:0 unix:{path}\n")
        assert calcd.reload().returncode == 0
        assert calcd.address == first, "a socket that stays in the settings stays open"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            assert ask(connection, ADD, 1, 2) == 3
            calcd.config.write_text("[calcd]\nListen=127.0.0.1:0\n")
            assert calcd.reload().returncode == 0
            assert not path.exists()
            assert ask(connection, ADD, 2, 3) == 5


def test_nobody_waits_in_vain_while_addresses_come_and_go(tmp_path: Path) -> None:
    """Handlers that wait accept otherwise where there are several addresses, and a socket is as the latest
    listener needs it, which has handlers of the one before wait differently."""
    path = tmp_path / "socket"
    calcd = Calcd(tmp_path, listen=())
    one, two = (f"[calcd]\nListen=127.0.0.1:0 {other}\n" for other in ("", f"unix:{path}"))
    calcd.config.write_text(one)
    with calcd, Clients(calcd.address) as clients:
        for _ in range(3):
            calcd.config.write_text(two)
            assert calcd.reload().returncode == 0
            with Clients(str(path)):
                clients.wait_for_answers()
            calcd.config.write_text(one)
            assert calcd.reload().returncode == 0
            clients.wait_for_answers()


@pytest.mark.long
def test_nobody_goes_without_an_answer_who_could_connect_to_an_address_that_goes(tmp_path: Path) -> None:
    calcd = Calcd(tmp_path, "--log-level=notice", listen=())
    going = [f"{own_address()}:{port}" for port in range(7070, 7074)]
    calcd.config.write_text(f"[calcd]\nListen=127.0.0.1:0 {' '.join(going)}\n")
    with calcd:
        while going:
            address = going.pop()
            with Storm(address) as storm:
                calcd.config.write_text(f"[calcd]\nListen=127.0.0.1:0 {' '.join(going)}\n")
                assert calcd.reload().returncode == 0
                host, _, port = address.rpartition(":")
                gone = functools.partial(_is_gone, (host, int(port)))
                wait_for(gone, f"{address} to refuse connections")
            assert storm.outcomes.keys() == {"ok", "refused"}, storm.outcomes


def _is_gone(address: tuple[str, int]) -> bool:
    return not accepts(address)


def test_an_address_that_cannot_be_had_keeps_the_old_ones(tmp_path: Path) -> None:
    calcd = Calcd(tmp_path, listen=())
    calcd.config.write_text("[calcd]\nListen=127.0.0.1:0\n")
    with calcd, socket.create_server(("127.0.0.1", 0)) as taken:
        calcd.expected.append("reload failed, the old settings stay in force: cannot listen on .*")
        port = taken.getsockname()[1]
        calcd.config.write_text(f"[calcd]\nListen=127.0.0.1:0 127.0.0.1:{port}\n")
        result = calcd.reload()
        assert result.returncode == 69
        assert f"cannot listen on 127.0.0.1:{port}: " in result.stderr
        with calcd.connect() as connection:
            assert ask(connection, ADD, 1, 2) == 3


def test_a_bad_file_keeps_the_old_settings_and_is_reported(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd, calcd.connect() as connection:
        calcd.expected.append(r"reload failed, the old settings stay in force: .*calcd.conf:2: .*")
        listener = calcd.listener
        calcd.config.write_text("[calcd]\nDrianTime=1s\n")
        result = calcd.reload()
        assert result.returncode == 78
        assert "/calcd.conf:2: unknown setting 'DrianTime': the nearest is 'DrainTime'" in result.stderr
        calcd.signal(signal.SIGHUP)
        calcd.wait_for_log("reload failed, .*")
        assert ask(connection, ADD, 1, 1) == 2
        assert calcd.listener.pid == listener.pid


def test_a_setting_that_needs_a_restart_says_so(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.expected.append(
            "Group= has changed, which a reload does not put in force: restart calcd for it"
        )
        calcd.config.write_text(f"[calcd]\nGroup={os.getgid()}\n")
        assert calcd.reload().returncode == 0
        calcd.wait_for_log("Group= has changed, .*")


def test_a_storm_of_sighups_ends_with_one_listener(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        for _ in range(300):
            calcd.signal(signal.SIGHUP)
            with calcd.connect() as connection:
                assert ask(connection, ADD, 1, 1) == 2
        assert calcd.reload().returncode == 0
        wait_for(lambda: len(calcd.listeners) == 1, "the old listeners to end")


def test_without_a_daemon_the_command_says_so(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.stop()
        result = calcd.reload()
    assert result.returncode == 75
    assert result.stderr.startswith(f"calcd: no calcd answers on {calcd.pidfile}.control")


def test_a_reload_is_over_when_no_handler_of_before_waits_for_a_connection(tmp_path: Path) -> None:
    with Calcd(tmp_path, handlers="SpareHandlers=4") as calcd:
        old = calcd.listener
        wait_for(lambda: len(waiting(old)) == 4, "the handlers")
        late = waiting(old)
        for handler in late:
            os.kill(handler.pid, signal.SIGSTOP)
        calcd.signal(signal.SIGHUP)
        wait_for(lambda: any(waiting(new) for new in calcd.listeners if new.pid != old.pid), "the new ones")
        reloaded = [line for line in calcd.log() if line.startswith("reloaded")]
        for handler in late:
            os.kill(handler.pid, signal.SIGCONT)
        assert reloaded == []
        calcd.wait_for_log("reloaded: .*")
        assert not any(handler.exists for handler in late)


def test_a_reload_is_not_over_because_the_listener_of_an_earlier_one_ends(tmp_path: Path) -> None:
    with Calcd(tmp_path, handlers="SpareHandlers=4") as calcd:
        calcd.expected.append(r"the listener \d+ (died|has not answered).*")
        first = calcd.listener
        os.kill(first.pid, signal.SIGSTOP)
        calcd.signal(signal.SIGHUP)
        second = successor(calcd, first)
        os.kill(second.pid, signal.SIGKILL)
        third = successor(calcd, first, second)
        calcd.wait_for_log("reloaded: .*")
        calcd.signal(signal.SIGSTOP)
        calcd.signal(signal.SIGHUP)
        os.kill(first.pid, signal.SIGKILL)
        calcd.signal(signal.SIGCONT)
        calcd.wait_for_log("reloaded: .*", 2)
        assert not waiting(third)


def successor(calcd: Calcd, *before: Process) -> Process:
    """The listener behind these, once a handler of it waits for a connection."""
    pids = [listener.pid for listener in before]

    def serving() -> list[Process]:
        return [each for each in calcd.listeners if each.pid not in pids and waiting(each)]

    wait_for(serving, "a listener that serves")
    return serving()[0]
