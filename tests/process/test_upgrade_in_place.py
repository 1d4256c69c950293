"""An upgrade in place: calcd goes on as the installed code, and nobody who is connected notices."""

import contextlib
import os
import re
import signal
import socket
from pathlib import Path

import pytest
from support.addresses import accepts
from support.daemon import Calcd, ask
from support.installed import PROOF, TAKEOVER, Installed
from support.processes import DEADLINE, stopped, wait_for
from support.resp import array
from support.scraped import PassedScraped, Scraped
from support.storm import Storm

import calcd as package
from calcd.protocol.classic import Operation
from calcd.supervisor.held import control

VERSION = package.__version__
ADD = Operation.ADD
UPGRADE_FAILED = "upgrade failed: .*"


@pytest.fixture
def calcd(folder: Path, installed: Installed) -> Calcd:
    return Calcd(folder, tree=installed.tree)


def upgrade(calcd: Calcd, installed: Installed, version: str) -> None:
    installed.set_version(version)
    result = calcd.upgrade()
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.usefixtures("every_mode")
def test_open_connections_go_on_and_the_pid_stays(folder: Path, installed: Installed) -> None:
    with Calcd(folder, tree=installed.tree) as calcd, calcd.connect() as connection:
        assert ask(connection, ADD, 1, 2) == 3
        before, old = calcd.supervisor.pid, calcd.listener
        upgrade(calcd, installed, "77.0")
        assert int(calcd.pidfile.read_text()) == before
        assert calcd.supervisor.title == "calcd: supervisor"
        assert ask(connection, ADD, 2, 3) == 5
        with calcd.connect() as another:
            assert ask(another, ADD, 3, 4) == 7
        calcd.wait_for_log(rf"upgraded from calcd {VERSION} to 77\.0: .*; connections that go on: 1")
        assert old.exists, "it serves its connection to the end"
        connection.close()
        wait_for(lambda: not old.exists, "the old listener to end")
        calcd.wait_for_log(r"connection 1 .* ended .*: closed by client; requests: 2, .*")
        assert len([line for line in calcd.log() if line.startswith("connection 1 ")]) == 2


def test_the_numbers_of_info_go_on(calcd: Calcd, installed: Installed) -> None:
    with calcd:
        for times in range(1, 4):
            with calcd.connect() as connection:
                assert ask(connection, ADD, 1, 2) == 3
            calcd.wait_for_log(rf"connection {times} .* ended .*")
        before = calcd.info()
        upgrade(calcd, installed, "77.0")
        after = calcd.info()
        assert after["calcd_version"] == "77.0"
        for name in ("total_connections_received", "total_commands_processed", "since", "process_id"):
            assert after[name] == before[name]
        assert after["start_time_in_seconds"] == before["start_time_in_seconds"]
        assert after["upgrades"] == "succeeded=1,failed=0"
        assert after["connections_ended"] == before["connections_ended"]


def test_what_clients_read_of_info_is_of_the_new_version(calcd: Calcd, installed: Installed) -> None:
    """Also a client of the old listener: both read what the new supervisor publishes."""
    with calcd, calcd.connect() as connection:
        assert "calcd_version:" + VERSION in info(connection)
        upgrade(calcd, installed, "77.0")
        wait_for(lambda: "calcd_version:77.0" in info(connection), "the new version in INFO")


def info(connection: socket.socket) -> str:
    connection.sendall(array("INFO") + array("PING"))
    text = b""
    while not text.endswith(b"+PONG\r\n"):
        text += connection.recv(65536)
    return text.decode()


def test_a_reload_upgrades_if_another_version_is_installed(calcd: Calcd, installed: Installed) -> None:
    with calcd:
        assert calcd.reload().returncode == 0
        assert not [line for line in calcd.log() if line.startswith("upgraded")]
        installed.set_version("77.0")
        assert calcd.reload().returncode == 0
        calcd.wait_for_log(rf"upgraded from calcd {VERSION} to 77\.0: .*")
        assert calcd.reload().returncode == 0
        calcd.wait_for_log("reloaded: .*", 2)


def test_an_upgrade_reads_the_configuration_again(calcd: Calcd, installed: Installed) -> None:
    with calcd:
        calcd.config.write_text("[calcd]\nLogConnections=none\n")
        upgrade(calcd, installed, "77.0")
        with calcd.connect() as connection:
            assert ask(connection, ADD, 1, 1) == 2
        calcd.config.write_text("[calcd]\nListen=127.0.0.1:0\n")
        upgrade(calcd, installed, "78.0")
        assert not [line for line in calcd.log() if line.startswith("connection")]


def test_sockets_of_its_own_go_on_and_go_with_it(folder: Path, tmp_path: Path, installed: Installed) -> None:
    path = tmp_path / "socket"
    with Calcd(folder, listen=("127.0.0.1:0", f"unix:{path}"), tree=installed.tree) as calcd:
        before = calcd.address
        for version in ("77.0", "78.0"):
            upgrade(calcd, installed, version)
            assert calcd.address == before
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                assert ask(connection, ADD, 1, 2) == 3
        calcd.stop()
        assert not path.exists()


def test_a_socket_behind_a_proxy_stays_one(folder: Path, installed: Installed) -> None:
    with Calcd(folder, listen=("proxied:127.0.0.1:0",), tree=installed.tree) as calcd:
        (line,) = calcd.wait_for_log(r"calcd \S+ serves on proxied:127\.0\.0\.1:(\d+)")
        upgrade(calcd, installed, "77.0")
        with socket.create_connection(("127.0.0.1", int(line[1]))) as connection:
            connection.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 4321 7070\r\n")
            assert ask(connection, ADD, 1, 2) == 3
        calcd.wait_for_log(r"connection 1 from 192\.0\.2\.1:4321 ended .*")


def test_whoever_waits_for_a_proxys_header_has_one_place_before_and_after(
    folder: Path, installed: Installed
) -> None:
    calcd = Calcd(folder, listen=("proxied:127.0.0.1:0",), tree=installed.tree)
    calcd.config.write_text("[calcd]\nMaxConnections=2\nProxyTimeout=1h\n")
    calcd.expected.append("MaxConnections=2 is (no longer )?reached.*")
    header = b"PROXY TCP4 192.0.2.1 192.0.2.2 4321 7070\r\n"
    with calcd, contextlib.ExitStack() as connections:
        (line,) = calcd.wait_for_log(r"calcd \S+ serves on proxied:127\.0\.0\.1:(\d+)")

        def connect() -> socket.socket:
            connection = socket.create_connection(("127.0.0.1", int(line[1])), timeout=DEADLINE)
            return connections.enter_context(connection)

        silent = connect()
        wait_for(lambda: calcd.awaiting_headers, "a handler that waits for a header")
        assert calcd.reload().returncode == 0
        upgrade(calcd, installed, "77.0")
        for connection in (connect(), silent):
            connection.sendall(header)
            assert ask(connection, ADD, 1, 2) == 3
        silent.close()
        third = connect()
        third.sendall(header)
        assert ask(third, ADD, 1, 2) == 3


def test_an_address_for_scrapes_stays_one_until_a_reload_gives_it_up(
    folder: Path, installed: Installed
) -> None:
    calcd = Scraped(folder, listen=(), tree=installed.tree)
    calcd.config.write_text("[calcd]\nListen=127.0.0.1:0 metrics:127.0.0.1:0\n")
    with calcd:
        address = calcd.metrics_address
        upgrade(calcd, installed, "77.0")
        calcd.wait_for_log(r"upgraded from .*, metrics:127\.0\.0\.1:\d+; connections that go on: 0")
        assert calcd.metrics_address == address
        assert 'version="77.0"' in calcd.scrape()[2]
        assert "calcd_connections_opened_total 0\n" in calcd.scrape()[2]
        calcd.config.write_text("[calcd]\nListen=127.0.0.1:0\n")
        assert calcd.reload().returncode == 0
        assert not accepts(address)


def test_a_socket_for_scrapes_that_was_passed_stays_one(folder: Path, installed: Installed) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as metrics,
        PassedScraped(folder, metrics, tree=installed.tree) as calcd,
    ):
        upgrade(calcd, installed, "77.0")
        assert calcd.metrics_address == metrics.getsockname()
        assert 'version="77.0"' in calcd.scrape()[2]


@pytest.mark.long
def test_upgrades_under_a_storm_lose_nothing(calcd: Calcd, installed: Installed) -> None:
    with calcd:
        host, port = calcd.address
        with Storm(f"{host}:{port}") as storm:
            for version in range(70, 74):
                upgrade(calcd, installed, str(version))
        assert storm.outcomes.keys() == {"ok"}
        # Each session is there once, under one number.
        served = storm.outcomes["ok"]
        calcd.wait_for_log(r"connection \d+ .* ended .*", served)
        for what in ("opened", "ended"):
            numbers = [
                int(m[1]) for line in calcd.log() if (m := re.match(rf"connection (\d+) .* {what}", line))
            ]
            assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_old_listeners_stay_until_their_connections_have_ended(calcd: Calcd, installed: Installed) -> None:
    with calcd:
        connections = []
        for version in range(70, 80):
            connections.append(calcd.connect())
            assert ask(connections[-1], ADD, 1, 1) == 2  # FirstByteTimeout= is less than upgrades may take
            upgrade(calcd, installed, str(version))
        assert calcd.info()["listeners"] == "11"
        for number, connection in enumerate(connections):
            assert ask(connection, ADD, number, 1) == number + 1
            connection.close()
        wait_for(lambda: calcd.info()["listeners"] == "1", "one listener")
        calcd.wait_for_log(r"connection \d+ .* ended .*: closed by client; requests: 2, .*", 10)


# Code that does not take over --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("defect", "reason"),
    [
        (("launch/takeover.py", TAKEOVER, "    !\n"), "it ended before .*"),
        (("launch/takeover.py", "import os\n", "import nothing\n"), "it is not whole: .*nothing.*"),
        (("launch/takeover.py", "import os\n", "import os; os._exit(0)\n"), "it ended before .*"),
        (("listener/main.py", "import gc\n", "import nothing\n"), "it is not whole: .*nothing.*"),
        (("supervisor/upgrade/state.py", "VERSION = 1\n", "VERSION = 2\n"), "the state .* 1, .* 2; .*"),
    ],
    ids=[
        "no Python",
        "a module is missing",
        "it ends",
        "a module of the listener is missing",
        "another state",
    ],
)
def test_code_that_cannot_take_over_does_not(
    calcd: Calcd, installed: Installed, defect: tuple[str, str, str], reason: str
) -> None:
    module, old, new = defect
    calcd.expected = [UPGRADE_FAILED, " .*", "Traceback .*", "SyntaxError.*"]  # the child's traceback
    with calcd, calcd.connect() as connection:
        listener = calcd.listener
        installed.change(module, old, new)
        result = calcd.upgrade()
        assert result.returncode == 70
        refused = rf"the installed code does not take over, calcd {VERSION} serves on: {reason}"
        assert re.fullmatch(f"calcd: upgrade failed: {refused}\n", result.stderr)
        calcd.wait_for_log(f"upgrade failed: {refused}")
        assert ask(connection, ADD, 1, 2) == 3
        assert calcd.listener.pid == listener.pid
        installed.change(module, new, old)
        upgrade(calcd, installed, "77.0")
        assert ask(connection, ADD, 2, 3) == 5


def test_a_reason_of_a_kind_that_only_the_new_code_knows_is_told(calcd: Calcd, installed: Installed) -> None:
    calcd.expected = [UPGRADE_FAILED]
    with calcd:
        answer = "        pipe.write(bytes([status])"
        installed.change("launch/proof.py", answer, answer.replace("status", "99") + ' + b"too new"')
        result = calcd.upgrade()
        assert (result.returncode, result.stderr.endswith(" serves on: too new\n")) == (70, True)
        installed.restore()
        upgrade(calcd, installed, "77.0")


def test_a_configuration_that_the_new_code_refuses_leaves_all_as_it_is(
    calcd: Calcd, installed: Installed
) -> None:
    calcd.expected = [UPGRADE_FAILED]
    with calcd:
        calcd.config.write_text("[calcd]\nMaxConnections=many\n")
        installed.set_version("77.0")
        result = calcd.upgrade()
        assert (result.returncode, "MaxConnections" in result.stderr) == (78, True)
        # The command has read it before it asked. Whoever asks without reading it is told the same.
        with pytest.raises(control.Refused, match="MaxConnections") as refused:
            control.ask(control.UPGRADE, calcd.pidfile)
        assert refused.value.status == 78
        calcd.wait_for_log(rf"upgrade failed: .* calcd {VERSION} serves on: .*MaxConnections.*")
        with calcd.connect() as connection:
            assert ask(connection, ADD, 1, 2) == 3


def test_if_the_new_listener_does_not_start_the_old_one_serves_on(calcd: Calcd, installed: Installed) -> None:
    calcd.expected = [UPGRADE_FAILED]
    with calcd:
        old = calcd.listener
        installed.change("listener/main.py", "    huge_pages.move_program_text()\n", "    return 3\n")
        installed.set_version("77.0")
        result = calcd.upgrade()
        assert result.returncode == 70
        assert re.fullmatch(
            r"calcd: upgrade failed: calcd 77\.0 has taken over, but the settings and the listener of before "
            r"stay: the new listener ended .*; put it right, and reload\n",
            result.stderr,
        )
        assert calcd.listener.pid == old.pid
        with calcd.connect() as connection:
            assert ask(connection, ADD, 1, 2) == 3
        installed.change("listener/main.py", "    return 3\n", "    huge_pages.move_program_text()\n")
        assert calcd.reload().returncode == 0


# Versions that differ in what listener and supervisor tell each other ---------------------------


def test_a_listener_of_a_newer_version_ends_under_an_older_supervisor(
    calcd: Calcd, installed: Installed
) -> None:
    """What it tells and the older one does not know is left out, and its connections' ends are counted."""
    calcd.expected = [
        r"the listener \d+ is of another version .*: kind 99; .*",
        r"connection \d+ .* ended .*: not known; .*",
    ]
    installed.change("listener/packets.py", "VERSION = 1\n", "VERSION = 2\n")
    alive = "    return ALIVE_EVENT.pack(ALIVE, waiting, serving, awaiting_header)"
    installed.change("listener/packets.py", f"{alive}\n", f"{alive} + b'more'\n")
    installed.change(
        "listener/loop.py",
        "            self._outbox.tell(packets.alive(*self._pool.states()))\n",
        "            self._outbox.tell(packets.alive(*self._pool.states()))\n"
        "            self._outbox.tell(bytes((99, 1, 2, 3)))\n",
    )
    installed.change("handler/report.py", "CLIENT_CLOSED = 2 ", "CLIENT_CLOSED = 77 ")
    installed.change("handler/report.py", "STRANGER = 15 ", "STRANGER = 78 ")
    # The newer supervisor understands them.
    installed.change(
        "supervisor/events.py", "numbers)\n    return NotKnown(kind)\n", "numbers)\n    return None\n"
    )
    with calcd, calcd.connect() as connection:
        assert ask(connection, ADD, 1, 2) == 3
        calcd.wait_for_log("connection 1 .* opened, .*")
        older = Installed(installed.tree.with_name("older"))
        for module in (
            "listener/packets.py",
            "listener/loop.py",
            "handler/report.py",
            "supervisor/events.py",
        ):
            installed.write(module, (older.tree / "calcd" / module).read_text())
        upgrade(calcd, installed, "0.0.1")
        calcd.wait_for_log(r"the listener \d+ is of another version .*")
        assert ask(connection, ADD, 2, 3) == 5
        connection.close()
        calcd.wait_for_log("connection 1 .* ended .*: not known; requests: 2, .*")
        assert "not known=1" in calcd.info()["connections_ended"].split(",")


def test_a_listener_that_dies_before_an_upgrade_is_replaced_by_new_code(
    calcd: Calcd, installed: Installed
) -> None:
    """As between dpkg's unpack and configure: the old supervisor starts the new listener."""
    calcd.expected = [r"the listener \d+ died: .*"]
    with calcd, calcd.connect() as connection:
        assert ask(connection, ADD, 1, 2) == 3
        calcd.wait_for_log("connection 1 .* opened, .*")
        installed.change("listener/packets.py", "VERSION = 1\n", "VERSION = 2\n")
        installed.change("listener/main.py", 'b"calcd: listener"', 'b"calcd: new listener"')
        os.kill(calcd.listener.pid, signal.SIGKILL)
        wait_for(lambda: "calcd: new listener" in titles(calcd), "a listener of the new code")
        with calcd.connect() as another:
            assert ask(another, ADD, 2, 3) == 5
            upgrade(calcd, installed, "77.0")
            assert ask(another, ADD, 3, 4) == 7
            assert ask(connection, ADD, 4, 5) == 9
        connection.close()
        calcd.wait_for_log("connection 1 .* ended .*: closed by client; requests: 2, .*")


def titles(calcd: Calcd) -> list[str]:
    return [child.title for child in calcd.supervisor.children() if child.exists]


# What happens in the midst of it -------------------------------------------------------------------


def test_a_listener_that_dies_meanwhile_is_replaced_and_its_connection_goes_on(
    calcd: Calcd, installed: Installed
) -> None:
    calcd.expected = [r"the listener \d+ died: .*"]
    with calcd, calcd.connect() as connection:
        assert ask(connection, ADD, 1, 2) == 3
        calcd.wait_for_log("connection 1 .* opened, .*")
        old = calcd.listener
        installed.stop_at("launch/takeover.py", TAKEOVER)
        command = calcd.tell("--upgrade")
        supervisor = stopped(lambda: [calcd.supervisor])
        os.kill(old.pid, signal.SIGKILL)
        os.kill(supervisor.pid, signal.SIGCONT)
        assert calcd.told(command).returncode == 0
        assert ask(connection, ADD, 2, 3) == 5
        connection.close()
        calcd.wait_for_log("connection 1 .* ended .*: closed by client; requests: 2, .*")
        with calcd.connect() as another:
            assert ask(another, ADD, 1, 2) == 3


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_that_comes_meanwhile_is_taken(
    calcd: Calcd, installed: Installed, number: signal.Signals
) -> None:
    calcd.expected = ["since .*"]
    with calcd, calcd.connect() as connection:
        assert ask(connection, ADD, 1, 2) == 3
        installed.stop_at("launch/takeover.py", TAKEOVER)
        command = calcd.tell("--upgrade")
        supervisor = stopped(lambda: [calcd.supervisor])
        calcd.signal(number)
        os.kill(supervisor.pid, signal.SIGCONT)
        match number:
            case signal.SIGTERM:
                assert connection.recv(1) == b""
                result = calcd.told(command)
                assert (result.returncode, result.stderr) == (75, "calcd: upgrade failed: calcd stops\n")
                calcd.wait_for_log("stopped: connections served: 1, .*")
            case signal.SIGHUP:
                assert calcd.told(command).returncode == 0
                calcd.wait_for_log("reloaded: .*")
            case signal.SIGUSR1:
                assert calcd.told(command).returncode == 0
                calcd.wait_for_log("since .* connections now: 1, .*")


def test_a_stop_while_the_new_code_is_tried_stops(calcd: Calcd, installed: Installed) -> None:
    installed.stop_at("launch/proof.py", PROOF)
    with calcd:
        command = calcd.tell("--upgrade")
        wait_for(lambda: len(calcd.supervisor.children()) == 2, "the child that tries it")
        calcd.stop()
        result = calcd.told(command)
        assert (result.returncode, result.stderr) == (75, "calcd: upgrade failed: calcd stops\n")


def test_reload_and_upgrade_that_are_asked_for_meanwhile_succeed(calcd: Calcd, installed: Installed) -> None:
    with calcd:
        installed.stop_at("launch/proof.py", PROOF)
        first = calcd.tell("--upgrade")
        child = stopped(calcd.supervisor.children)
        installed.change("launch/proof.py", "os.kill(os.getpid(), signal.SIGSTOP)", "pass")
        installed.set_version("77.0")
        others = [calcd.tell("--upgrade"), calcd.tell("--reload")]
        calcd.signal(signal.SIGHUP)
        os.kill(child.pid, signal.SIGCONT)
        for command in (first, *others):
            result = calcd.told(command)
            assert (result.returncode, result.stderr) == (0, "")
        assert calcd.info()["calcd_version"] == "77.0"


def test_a_reload_that_succeeds_afterwards_hides_no_failure(calcd: Calcd, installed: Installed) -> None:
    calcd.expected = [UPGRADE_FAILED]
    with calcd:
        installed.stop_at("launch/proof.py", PROOF)
        installed.change("supervisor/upgrade/state.py", "VERSION = 1\n", "VERSION = 2\n")
        command = calcd.tell("--upgrade")
        child = stopped(calcd.supervisor.children)
        calcd.signal(signal.SIGHUP)
        os.kill(child.pid, signal.SIGCONT)
        assert calcd.told(command).returncode == 70
        calcd.wait_for_log("reloaded: .*")


def test_a_listener_that_dies_while_the_new_code_is_tried_is_replaced_first(
    calcd: Calcd, installed: Installed
) -> None:
    calcd.expected = [r"the listener \d+ died: .*"]
    with calcd:
        installed.stop_at("launch/proof.py", PROOF)
        command = calcd.tell("--upgrade")
        child = stopped(calcd.supervisor.children)
        os.kill(next(each.pid for each in calcd.listeners), signal.SIGKILL)
        calcd.wait_for_log(r"the listener \d+ died: .*")
        with calcd.connect() as connection:
            assert ask(connection, ADD, 1, 2) == 3
            os.kill(child.pid, signal.SIGCONT)
            assert calcd.told(command).returncode == 0
            assert ask(connection, ADD, 2, 3) == 5


def test_who_dies_with_the_listener_that_was_waited_for_is_known_as_dead_to_the_new_code(
    calcd: Calcd, installed: Installed
) -> None:
    """The supervisor finds all of them dead in one look at its children, and takes over because of one."""
    calcd.expected = [
        r"the listener \d+ died: .*",
        r"connection 1 .* its handler \d+ died: killed by signal 9 .*",
        "no new listener: .*",
    ]
    with calcd, calcd.connect() as connection:
        assert ask(connection, ADD, 1, 2) == 3
        (handler,), retired = calcd.handlers, calcd.listener
        assert calcd.reload().returncode == 0
        installed.stop_at("launch/proof.py", PROOF)
        command = calcd.tell("--upgrade")
        proof = stopped(calcd.supervisor.children)
        installed.stop_at("listener/main.py", "    huge_pages.move_program_text()\n")
        os.kill(next(each.pid for each in calcd.listeners if each.pid != retired.pid), signal.SIGKILL)
        candidate = stopped(lambda: [each for each in calcd.supervisor.children() if each.pid != proof.pid])
        os.kill(proof.pid, signal.SIGCONT)
        wait_for(lambda: not proof.exists, "the new code to show that it could take over")
        installed.restore()
        supervisor = calcd.supervisor
        os.kill(supervisor.pid, signal.SIGSTOP)
        for process in (retired, candidate, handler):  # in the order in which it finds them
            os.kill(process.pid, signal.SIGKILL)
            wait_for(lambda process=process: process.is_zombie, "its death")  # type: ignore[misc]
        os.kill(supervisor.pid, signal.SIGCONT)
        assert calcd.told(command).returncode == 0
        calcd.wait_for_log(r"connection 1 .* its handler \d+ died: .*")
        assert calcd.info()["connected_clients"] == "0"


def test_a_limit_that_is_reached_stays_so(calcd: Calcd, installed: Installed) -> None:
    calcd.expected = ["MaxConnections=2 is .*"]
    calcd.config.write_text("[calcd]\nMaxConnections=2\n")
    with calcd:
        connections = [calcd.connect() for _ in range(2)]
        for connection in connections:
            assert ask(connection, ADD, 1, 2) == 3
        waits = calcd.connect()
        calcd.wait_for_log("MaxConnections=2 is reached.*")
        upgrade(calcd, installed, "77.0")
        waits.sendall(array("PING"))
        connections.pop().close()
        assert waits.recv(7) == b"+PONG\r\n"
        for connection in (*connections, waits):
            connection.close()
