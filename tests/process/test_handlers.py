"""How handlers are run: forked ahead, used again, replaced, sent away."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.addresses import accepts
from support.daemon import REUSED, Calcd, ask, receive
from support.processes import Process, wait_for
from support.system_calls import ACCEPT, FORBIDDEN, KILLED, Injector

from calcd.protocol.classic import Operation, encode_request

ADD = Operation.ADD
QUESTION = encode_request(ADD, 20, 22)
OPENED = r"connection \d+ from \S+ opened, handler (\d+)"
ENDED = r"connection \d+ .* ended after .*"
FULL = r"MaxConnections=1 is .*"


def ask_once(calcd: Calcd) -> int:
    """On a connection of its own; the PID of the handler."""
    ended = len(calcd.wait_for_log(ENDED, times=0))
    with calcd.connect() as connection:
        assert ask(connection, ADD, 20, 22) == 42
    calcd.wait_for_log(ENDED, times=ended + 1)
    return int(calcd.wait_for_log(OPENED)[-1][1])


def test_so_many_wait_as_are_set_and_the_next_connection_gets_one_of_them(folder: Path) -> None:
    with Calcd(folder, handlers="SpareHandlers=3") as calcd:
        for _ in range(5):
            wait_for(lambda: len(calcd.waiting) == 3, "three that wait")
            pids = {process.pid for process in calcd.waiting}
            handlers = {ask_once(calcd), ask_once(calcd)}
            assert len(handlers) == 2, "each connection has a process of its own"
            assert handlers & pids


def test_without_spare_ones_none_is_there_until_a_connection_comes(folder: Path) -> None:
    with Calcd(folder, handlers="SpareHandlers=0") as calcd:
        assert calcd.listener.children() == []
        ask_once(calcd)
        wait_for(lambda: calcd.listener.children() == [], "the end of its handler")


def test_spare_ones_count_for_the_limit_of_all_connections(folder: Path) -> None:
    with Calcd(folder, handlers="SpareHandlers=8\nMaxConnections=2") as calcd:
        calcd.expected.append(r"MaxConnections=2 is .*")
        wait_for(lambda: len(calcd.waiting) == 2, "two that wait")
        with calcd.connect() as first, calcd.connect() as second, calcd.connect() as third:
            served = [c for c in (first, second) if ask(c, ADD, 1, 1) == 2]
            assert len(served) == len(calcd.handlers) == 2
            calcd.wait_for_log("MaxConnections=2 is reached.*")
            third.sendall(QUESTION)
            first.close()
            assert receive(third, 1) == (42,)


def test_a_handler_serves_as_many_connections_as_it_may_and_is_replaced(folder: Path) -> None:
    with Calcd(folder, handlers="SpareHandlers=0\nConnectionsPerHandler=3") as calcd:
        handlers = [ask_once(calcd) for _ in range(9)]
        for handler in set(handlers):
            assert handlers.count(handler) <= 3
        assert len(set(handlers)) < 9, "some serve more than one"


def test_a_client_is_answered_although_all_that_wait_are_stopped(folder: Path) -> None:
    with Calcd(folder, handlers="SpareHandlers=3") as calcd:
        wait_for(lambda: len(calcd.waiting) == 3, "three that wait")
        stopped = calcd.waiting
        for process in stopped:
            os.kill(process.pid, signal.SIGSTOP)
        # Until then, accept(2) may still return, and the connection is in the hands of one that is stopped.
        wait_for(lambda: all(process.status("State").startswith("T") for process in stopped), "all to stop")
        ask_once(calcd)
        for process in stopped:
            os.kill(process.pid, signal.SIGCONT)


@pytest.mark.parametrize("is_reused", [False, True])
def test_one_that_has_waited_for_longer_than_a_timeout_waits_as_before(folder: Path, is_reused: bool) -> None:
    settings = "SpareHandlers=0\nConnectionsPerHandler=infinity" if is_reused else "SpareHandlers=1"
    with Calcd(folder, handlers=f"{settings}\nFrameTimeout=200ms") as calcd:
        if is_reused:
            ask_once(calcd)
        wait_for(lambda: calcd.waiting, "one that waits")
        (handler,) = calcd.waiting

        def waits() -> int:
            return int(handler.status("voluntary_ctxt_switches"))

        before = waits()
        wait_for(lambda: waits() > before + 3, "some timeouts")
        wait_for(lambda: Path(f"/proc/{handler.pid}/syscall").read_text().split()[0] == ACCEPT, "accept(2)")
        ask_once(calcd)


def test_there_are_more_while_they_are_needed_and_then_fewer(folder: Path) -> None:
    with Calcd(folder, handlers="SpareHandlers=1\nConnectionsPerHandler=infinity") as calcd:
        with contextlib.ExitStack() as connections:
            for _ in range(10):
                connection = connections.enter_context(calcd.connect())
                assert ask(connection, ADD, 20, 22) == 42
            assert len(calcd.handlers) == 10
        wait_for(lambda: len(calcd.listener.children()) == 1, "the others to end")
        assert len(calcd.waiting) == 1


@pytest.mark.parametrize(
    "first",
    [QUESTION[:5], b"GET / HTTP/1.0\r\n\r\n", QUESTION * 3, encode_request(Operation.DIV, 1, 0)],
    ids=["half a request", "another protocol", "requests up to a limit", "an error"],
)
def test_nothing_of_one_connection_is_left_for_the_next(folder: Path, first: bytes) -> None:
    settings = "SpareHandlers=0\nConnectionsPerHandler=infinity\nMaxConnections=1\nMaxRequests=3"
    with Calcd(folder, handlers=settings) as calcd:
        calcd.expected.append(FULL)
        calcd.expected.append(r"connection \d+ from \S+ (ended|closed|cut off) after .*")
        pids = set()
        for number in range(1, 6, 2):
            with calcd.connect() as connection:
                connection.sendall(first)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass
            calcd.wait_for_log(rf"connection {number} .* after .*")
            pids.add(ask_once(calcd))
            (line,) = calcd.wait_for_log(rf"connection {number + 1} .* ended after .*")
            assert "closed by client; requests: 1, errors: 0, bytes in: 12, bytes out: 4" in line[0]
        assert len(pids) == 1


def test_the_end_of_one_connection_s_lifetime_is_not_the_next_one_s(folder: Path) -> None:
    settings = "SpareHandlers=0\nConnectionsPerHandler=infinity\nMaxConnections=1\nConnectionLifetime=1s"
    with Calcd(folder, handlers=settings) as calcd:
        calcd.expected.append(FULL)
        calcd.expected.append(r"connection \d+ from \S+ cut off after .*: ConnectionLifetime= is over; .*")
        for _ in range(2):
            began = time.monotonic()
            with calcd.connect() as connection:
                assert ask(connection, ADD, 20, 22) == 42
                assert connection.recv(1) == b""
            assert time.monotonic() - began >= 1
            ask_once(calcd)
        assert len({match[1] for match in calcd.wait_for_log(OPENED)}) == 1


def test_a_handler_that_has_used_half_of_its_processor_time_is_replaced(folder: Path) -> None:
    settings = "SpareHandlers=0\nConnectionsPerHandler=infinity\nHandlerCpuTime=1s"
    with Calcd(folder, handlers=settings) as calcd:
        first = ask_once(calcd)
        with calcd.connect() as connection:
            while _seconds(first) < 0.6:
                connection.sendall(QUESTION * 1000)
                receive(connection, 1000)
        assert int(calcd.wait_for_log(OPENED)[-1][1]) == first
        calcd.wait_for_log(ENDED, times=2)
        assert ask_once(calcd) != first


def _seconds(pid: int) -> float:
    """Of processor time: proc_pid_stat(5), utime and stime."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_one_that_is_killed_while_it_waits_is_replaced_and_the_log_says_so(folder: Path) -> None:
    died = (
        r"handler (\d+) died while it waited for a connection: killed by signal 9 \(SIGKILL\); others serve"
    )
    with Calcd(folder, handlers="SpareHandlers=1") as calcd:
        calcd.expected.append(died)
        wait_for(lambda: calcd.waiting, "one that waits")
        (handler,) = calcd.waiting
        os.kill(handler.pid, signal.SIGKILL)
        (line,) = calcd.wait_for_log(died)
        assert int(line[1]) == handler.pid
        assert ask_once(calcd) != handler.pid


def test_one_that_is_told_to_end_while_it_waits_ends(folder: Path) -> None:
    with Calcd(folder, handlers="SpareHandlers=1") as calcd:
        wait_for(lambda: calcd.waiting, "one that waits")
        (handler,) = calcd.waiting
        wait_for(lambda: _terminate(handler), "its end")
        ask_once(calcd)


def _terminate(process: Process) -> bool:
    """Again and again: a signal can come between a look for one and the system call that waits."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)
    return not process.exists


# --- Those that are used again hold the listening sockets while they serve


@pytest.fixture
def reused(folder: Path) -> Iterator[Calcd]:
    with Calcd(folder, handlers=REUSED) as calcd:
        yield calcd


def test_an_address_that_is_given_up_refuses_at_once_though_such_a_handler_is_busy(
    folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    calcd = Calcd(folder, listen=(), handlers=REUSED)
    calcd.config.write_text(f"[calcd]\nListen=127.0.0.1:0 unix:{path}\n")
    with calcd, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        assert ask(connection, ADD, 20, 22) == 42
        address = calcd.address
        calcd.config.write_text(f"[calcd]\nListen=unix:{path}\n")
        assert calcd.reload().returncode == 0
        wait_for(lambda: not accepts(address), "connections to be refused")
        assert ask(connection, ADD, 1, 1) == 2, "who is connected is served on"


@pytest.mark.parametrize("call", [call for call in FORBIDDEN.values() if call != ACCEPT])
def test_they_can_accept_and_no_more(reused: Calcd, tmp_path: Path, call: str) -> None:
    reused.expected.append(r"connection \d+ .* its handler \d+ died: killed by signal 31 \(SIGSYS\): .*")
    with reused.connect() as connection:
        assert ask(connection, ADD, 20, 22) == 42
        (handler,) = reused.handlers
        assert Injector(tmp_path)(handler, call) == KILLED
        assert connection.recv(1) == b""
    with reused.connect() as connection:
        assert ask(connection, ADD, 20, 22) == 42


def test_their_addresses_are_free_when_supervisor_and_listener_are_killed(folder: Path) -> None:
    calcd = Calcd(folder, handlers=REUSED)
    assert calcd.start().returncode == 0
    address = calcd.address
    with calcd.connect() as connection:
        assert ask(connection, ADD, 20, 22) == 42
        for process in (calcd.supervisor, calcd.listener):
            os.kill(process.pid, signal.SIGSTOP)
        for process in (calcd.listener, calcd.supervisor):
            os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: not accepts(address), "nobody to listen")
        assert ask(connection, ADD, 1, 1) == 2, "who is connected is served on"
    calcd.wait_until_gone()
