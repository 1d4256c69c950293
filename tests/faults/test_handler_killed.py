"""Every signal there is, sent to handlers at every stage of a connection, while others are served."""

import contextlib
import os
import re
import select
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from support import clients
from support.clients import Clients
from support.daemon import Calcd, ask, receive
from support.processes import DEADLINE, Process, wait_for

from calcd.protocol.classic import REPLY, Operation, encode_request

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

REQUEST = encode_request(Operation.ADD, 20, 22)
OPENED = r"connection \d+ from \S+ opened, handler (\d+)"
DIED = r"connection (\d+) .* its handler \d+ died: killed by signal (\d+)( \(\w+\))?[;:,] .*"
# The first are the supervisor's, Python ignores the next two, the kernel the rest.
IGNORED = {
    *(signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT),
    *(signal.SIGPIPE, signal.SIGXFSZ),
    *(signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH),
}
STOPPING = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
# What the listener tells its handlers by.
LISTENERS = {s for s in signal.valid_signals() if signal.SIGRTMIN <= s <= signal.SIGRTMIN + 2}
HARMLESS = IGNORED | STOPPING | LISTENERS
LETHAL = signal.valid_signals() - HARMLESS - {signal.SIGTERM}


Stage = Callable[[list[socket.socket]], None]


def before_the_first_byte(_connections: list[socket.socket]) -> None:
    pass


def between_requests(connections: list[socket.socket]) -> None:
    for connection in connections:
        assert ask(connection, Operation.ADD, 20, 22) == 42


def in_the_middle_of_a_frame(connections: list[socket.socket]) -> None:
    between_requests(connections)
    for connection in connections:
        connection.sendall(REQUEST[:5])


def while_sending(connections: list[socket.socket]) -> None:
    """Nobody reads: the handlers wait until somebody does."""
    for connection in connections:
        connection.setblocking(False)
    unsent = [b""] * len(connections)
    while not all(unsent) or any(map(can_send, connections)):
        for number, connection in enumerate(connections):
            data = unsent[number] or REQUEST * 5000
            with contextlib.suppress(BlockingIOError):
                data = data[connection.send(data) :]
            unsent[number] = data
    for connection in connections:
        connection.settimeout(DEADLINE)


def can_send(connection: socket.socket) -> bool:
    return bool(select.select([], [connection], [], 0.02)[1])


def connect(calcd: Calcd, stage: Stage, number: int) -> tuple[list[socket.socket], list[Process]]:
    """So many connections and their handlers. A Unix socket is soon full; TCP's takes some megabytes."""
    first = len(calcd.wait_for_log(OPENED, times=0))
    server = str(calcd.folder.parent / "socket") if stage is while_sending else calcd.address
    connections = []
    for count in range(1, number + 1):  # one by one: handlers that wait accept in any order
        connections.append(clients.connect(server))
        opened = calcd.wait_for_log(OPENED, times=first + count)
    return connections, [Process(int(line[1])) for line in opened[first:]]


def read_to_the_end(connection: socket.socket) -> int:
    """The number of answers, all of which must be right."""
    received = b""
    while chunk := connection.recv(1 << 16):
        received += chunk
    assert len(received) % REPLY.size == 0
    assert received == REPLY.pack(42) * (len(received) // REPLY.size)
    return len(received) // REPLY.size


def is_dead_to(connection: socket.socket) -> bool:
    """The client of a handler that has died sees an end, or a reset where something was not read."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    return True


def send_signals(processes: list[Process], numbers: list[signal.Signals]) -> None:
    for process, number in zip(processes, numbers, strict=True):
        os.kill(process.pid, number)
        if number in STOPPING:
            wait_for(partial(is_stopped, process), "a handler that is stopped")
            os.kill(process.pid, signal.SIGCONT)


def is_stopped(process: Process) -> bool:
    return process.status("State").startswith("T")


@pytest.fixture
def calcd(tmp_path: Path, folder: Path) -> Iterator[Calcd]:
    # No core files of those that are to die so.
    calcd = Calcd(folder, listen=["127.0.0.1:0", f"unix:{tmp_path}/socket"], prefix=("prlimit", "--core=0"))
    calcd.config.write_text("[calcd]\nDrainTime=60s\n")
    calcd.expected = [DIED, r"connection \d+ .* (connection lost|truncated frame); .*"]
    with calcd:
        yield calcd


STAGES = [before_the_first_byte, in_the_middle_of_a_frame, between_requests, while_sending]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_each_signal_that_kills_ends_one_connection_and_is_named(calcd: Calcd, stage: Stage) -> None:
    numbers = sorted(LETHAL)
    connections, processes = connect(calcd, stage, len(numbers))
    stage(connections)
    with Clients(calcd.address):
        send_signals(processes, numbers)
        for connection in connections:
            assert is_dead_to(connection)
            connection.close()
        died = calcd.wait_for_log(DIED, times=len(numbers))
        assert sorted(int(line[2]) for line in died) == numbers
        wait_for(lambda: not [p for p in processes if p.exists], "the handlers to be waited for")


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_a_signal_that_does_not_kill_changes_no_answer(calcd: Calcd, stage: Stage) -> None:
    numbers = sorted(HARMLESS)
    connections, processes = connect(calcd, stage, len(numbers))
    stage(connections)
    with Clients(calcd.address):
        send_signals(processes, numbers)
        for connection in connections:
            if stage is in_the_middle_of_a_frame:
                connection.sendall(REQUEST[5:])
                assert receive(connection, 1) == (42,)
            elif stage is while_sending:
                connection.shutdown(socket.SHUT_WR)
                assert read_to_the_end(connection) > 1000
            else:
                assert ask(connection, Operation.ADD, 20, 22) == 42
            connection.close()
    assert not [line for line in calcd.log() if re.fullmatch(DIED, line)]


def test_each_signal_ends_no_more_than_one_connection_while_calcd_drains(calcd: Calcd) -> None:
    numbers = sorted(LETHAL | HARMLESS)
    connections, processes = connect(calcd, while_sending, len(numbers))
    while_sending(connections)
    calcd.signal(signal.SIGTERM)
    calcd.wait_for_log("stopping: .*")
    send_signals(processes, numbers)
    for connection, number in zip(connections, numbers, strict=True):
        if number in LETHAL:
            assert is_dead_to(connection)
        else:
            assert read_to_the_end(connection) > 1000
        connection.close()
    calcd.wait_until_gone()
    died = calcd.wait_for_log(DIED, times=len(LETHAL))
    assert sorted(int(line[2]) for line in died) == sorted(LETHAL)


def test_a_handler_that_is_stopped_does_not_hold_up_a_stop_beyond_the_drain_time(calcd: Calcd) -> None:
    calcd.config.write_text("[calcd]\nDrainTime=200ms\n")
    assert calcd.reload().returncode == 0
    (connection,), (process,) = connect(calcd, between_requests, 1)
    with connection:
        os.kill(process.pid, signal.SIGSTOP)
        calcd.signal(signal.SIGTERM)
        assert is_dead_to(connection)
        calcd.wait_until_gone()
        calcd.wait_for_log(DIED)
