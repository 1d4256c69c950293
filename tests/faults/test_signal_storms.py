"""SIGTERM at every moment of a start and of a reload, and more signals at once than anybody sends; beside
tests/process/test_reload.py, where it is many SIGHUPs."""

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.clients import Clients
from support.daemon import Calcd, ask, receive
from support.installed import Installed
from support.processes import DEADLINE, Process, stopped, users_of, wait_for

from calcd.protocol.classic import Operation, encode_request

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

# Milliseconds, beyond what each takes on an idle machine (150 and 60); a few of them, others each time.
OF_A_START = range(240)
OF_A_RELOAD = range(90)
MOMENTS = 16
# What somebody who was told to stop while it started answers.
TOLD_TO_STOP = 69


def sleep_ms(milliseconds: int) -> None:
    """The moment is what is tested."""
    time.sleep(milliseconds / 1000)


@pytest.mark.parametrize("foreground", [False, True], ids=["background", "foreground"])
def test_a_start_can_be_ended_at_any_moment(tmp_path: Path, folder: Path, foreground: bool) -> None:
    calcd = Calcd(folder, listen=["127.0.0.1:0", f"unix:{tmp_path}/socket"], foreground=foreground)
    statuses = set()
    for milliseconds in [0, *random.sample(OF_A_START, MOMENTS)]:
        calcd.launch()
        sleep_ms(milliseconds)
        calcd.launcher.terminate()
        status = calcd.launcher.wait()
        statuses.add(status)
        if status == 0 and not foreground:  # it serves: this is its end
            os.kill(int(calcd.pidfile.read_text()), signal.SIGTERM)
        wait_for(lambda: not users_of(calcd.log_file), "the end of all its processes")
        assert sorted(os.listdir(folder)) == ["calcd.conf", "log"], milliseconds
        assert set(os.listdir(tmp_path)) <= {"calcd", "calcd.settings"}, milliseconds
    assert statuses <= {-signal.SIGTERM, TOLD_TO_STOP, 0}
    assert -signal.SIGTERM in statuses, "the earliest are too early for an orderly end"
    calcd.log_file.write_text("")  # what is in it by now is not said of the next start
    with calcd:
        assert ask_once(calcd) == 42


def test_a_start_that_is_ended_too_late_has_succeeded(folder: Path) -> None:
    """The command, which by then is about to return, does not say otherwise."""
    with Calcd(folder) as calcd:
        for milliseconds in range(0, 30, 2):
            calcd.stop()
            calcd.log_file.write_text("")
            calcd.launch()
            calcd.wait_for_log("calcd .* serves on .*")
            sleep_ms(milliseconds)
            calcd.launcher.terminate()
            outcome = calcd.launcher.wait()
            if outcome == 0:
                assert calcd.outcome().returncode == 0
            else:  # not too late yet: the line is written before the command is told
                assert outcome == -signal.SIGTERM
                wait_for(lambda: not users_of(calcd.log_file), "the end of all its processes")
                assert calcd.start().returncode == 0


def ask_once(calcd: Calcd) -> int:
    with calcd.connect() as connection:
        return ask(connection, Operation.ADD, 20, 22)


def test_a_stop_at_any_moment_of_a_reload_answers_whoever_is_served(folder: Path) -> None:
    with Calcd(folder) as calcd:
        for milliseconds in random.sample(OF_A_RELOAD, MOMENTS):
            with calcd.connect() as connection:
                assert ask(connection, Operation.ADD, 1, 1) == 2
                connection.sendall(encode_request(Operation.ADD, 20, 22)[:7])
                calcd.signal(signal.SIGHUP)
                sleep_ms(milliseconds)
                calcd.signal(signal.SIGTERM)
                connection.sendall(encode_request(Operation.ADD, 20, 22)[7:])
                assert receive(connection, 1) == (42,)
                assert connection.recv(1) == b""
            calcd.wait_until_gone()
            assert sorted(os.listdir(folder)) == ["calcd.conf", "log"], milliseconds
            assert calcd.start().returncode == 0


@pytest.mark.long
def test_a_new_listener_that_has_much_to_hear_hears_of_a_stop_as_well(
    folder: Path, installed: Installed
) -> None:
    """It is told a number for each host that has connections: more than the socket to it holds."""
    with Calcd(folder, tree=installed.tree) as calcd:
        hosts = [f"127.0.{part}.{number}" for part in (1, 2) for number in range(1, 201)]
        connections = [socket.create_connection(calcd.address, DEADLINE, (host, 0)) for host in hosts]
        for connection in connections:
            assert ask(connection, Operation.ADD, 1, 1) == 2
        installed.stop_at("listener/main.py", "    huge_pages.move_program_text()\n")
        calcd.signal(signal.SIGHUP)
        candidate = stopped(calcd.supervisor.children)
        calcd.signal(signal.SIGTERM)
        calcd.wait_for_log("stopping: .*")
        os.kill(candidate.pid, signal.SIGCONT)
        for connection in connections:
            assert connection.recv(1) == b""
            connection.close()
        calcd.wait_until_gone()  # and the log has no line of a stop that took too long


@contextmanager
def storm(processes: list[Process], numbers: list[signal.Signals]) -> Iterator[None]:
    """Signals, as fast as they go."""
    is_over = False

    def send() -> None:
        while not is_over:
            for process in processes:
                for number in numbers:
                    os.kill(process.pid, number)
            time.sleep(0.0005)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        is_over = True
        thread.join()


def test_a_storm_of_all_signals_at_once_costs_nobody_an_answer(folder: Path) -> None:
    harmless = [
        signal.SIGUSR1,
        signal.SIGCHLD,
        signal.SIGCONT,
        signal.SIGPIPE,
        signal.SIGWINCH,
        signal.SIGURG,
    ]
    with Calcd(folder) as calcd:
        calcd.expected.append("since .*")
        with Clients(calcd.address) as clients:
            with storm([calcd.listener], harmless), storm([calcd.supervisor], [signal.SIGHUP, *harmless]):
                for _ in range(20):
                    clients.wait_for_answers()
            assert calcd.reload().returncode == 0
            clients.wait_for_answers()
        wait_for(lambda: len(calcd.listeners) == 1, "the old listeners to end")


def test_a_stop_in_the_middle_of_a_storm_is_a_stop(folder: Path) -> None:
    with Calcd(folder) as calcd, calcd.connect() as connection:
        calcd.expected.append("since .*")
        assert ask(connection, Operation.ADD, 1, 1) == 2
        with storm([calcd.supervisor], [signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD]):
            calcd.wait_for_log("reloaded: .*")
            calcd.signal(signal.SIGTERM)
            assert connection.recv(1) == b""
            calcd.wait_for_log("stopping: .*")
