"""calcd is started, in all the ways in which that goes well; and starts that are interrupted."""

import os
import re
import signal
import socket
import stat
from pathlib import Path

import pytest
from support.addresses import own_address
from support.daemon import WITHOUT_RIGHTS, Calcd, ask
from support.launcher import held_back
from support.processes import DEADLINE, users_of, wait_for

from calcd.protocol.classic import Operation, encode_request


def answers(address: str) -> bool:
    """Whether calcd serves on it; in the notation of --listen."""
    with connect(address) as connection:
        return ask(connection, Operation.ADD, 20, 22) == 42


def connect(address: str) -> socket.socket:
    if address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        connection = socket.create_connection((host.strip("[]"), int(port)))
    connection.settimeout(DEADLINE)
    return connection


# Serving ----------------------------------------------------------------------------------------------


def test_the_very_next_request_is_answered(folder: Path) -> None:
    address = f"{own_address()}:7070"
    for _ in range(20):
        with Calcd(folder, listen=[address]):
            assert answers(address)


def test_whoever_connects_while_it_starts_is_answered_as_soon_as_it_serves(folder: Path) -> None:
    address = f"{own_address()}:7070"
    calcd = Calcd(folder, listen=[address])
    with held_back(calcd):
        early = connect(address)
    assert calcd.outcome().returncode == 0
    with early:
        assert ask(early, Operation.ADD, 20, 22) == 42
    calcd.stop()


def test_it_can_be_started_again_at_once_on_the_same_port(folder: Path) -> None:
    """calcd closes first, so that its end of the connection stays behind in TIME_WAIT."""
    host = own_address()
    for _ in range(20):
        with Calcd(folder, listen=[f"{host}:7070"]), connect(f"{host}:7070") as connection:
            connection.sendall(encode_request(Operation.QUIT))
            assert connection.recv(1) == b""
    local = f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}:{7070:04X}"

    def states() -> set[str]:
        connections = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines())
        return {state for _, address, _, state, *_ in connections if address == local}

    # The client's last FIN may be under way still.
    wait_for(lambda: states() == {"06"}, "TIME_WAIT of all")


def test_it_serves_all_the_addresses_that_it_is_given(tmp_path: Path, folder: Path) -> None:
    given = ["127.0.0.1:0", "[::1]:0", f"unix:{tmp_path}/a", f"unix:{tmp_path}/b", f"{own_address()}:7070"]
    with Calcd(folder, listen=given) as calcd:
        (line,) = calcd.wait_for_log(r"calcd \S+ serves on (.*)")
        served = line[1].split(", ")
        assert [re.sub(r"^(127.0.0.1|\[::1\]):\d+$", r"\1:0", address) for address in served] == given
        for address in served:
            assert answers(address)


def test_port_0_is_said_as_the_port_that_it_became(folder: Path) -> None:
    with Calcd(folder, listen=["127.0.0.1:0"]) as calcd:
        _, port = calcd.address
        assert port > 0
        assert answers(f"127.0.0.1:{port}")


def test_a_unix_socket_is_open_to_all_and_gone_at_the_end(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "socket"
    with Calcd(folder, listen=[f"unix:{path}"]):
        assert stat.filemode(path.stat().st_mode) == "srw-rw-rw-"
        assert answers(f"unix:{path}")
    assert not path.exists()


def test_a_unix_socket_that_was_left_behind_is_replaced(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with Calcd(folder, listen=[f"unix:{path}"]):
        assert answers(f"unix:{path}")


def test_a_unix_socket_that_another_has_put_in_its_place_stays(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "socket"
    with Calcd(folder, listen=[f"unix:{path}"]):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as another:
            another.bind(str(path))
    assert path.is_socket()


def test_a_stop_is_clean_although_the_socket_cannot_be_removed(tmp_path: Path, folder: Path) -> None:
    sockets = tmp_path / "sockets"
    sockets.mkdir()
    with Calcd(folder, listen=[f"unix:{sockets}/socket"], prefix=WITHOUT_RIGHTS) as calcd:
        sockets.chmod(0o555)
        calcd.stop()
        sockets.chmod(0o755)
        assert calcd.start().returncode == 0
        assert answers(f"unix:{sockets}/socket")


# The caller ---------------------------------------------------------------------------------------------


def test_in_the_foreground_it_is_the_process_that_was_started(folder: Path) -> None:
    with Calcd(folder, foreground=True) as calcd, calcd.connect() as connection:
        assert ask(connection, Operation.ADD, 20, 22) == 42
        assert calcd.supervisor.pid == calcd.launcher.pid
        assert calcd.pidfile.read_text() == f"{calcd.launcher.pid}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_it_ends_well_on_ctrl_c_and_on_term(folder: Path, number: signal.Signals) -> None:
    with Calcd(folder, foreground=True) as calcd, calcd.connect() as connection:
        ask(connection, Operation.ADD, 1, 1)
        # Ctrl-C is sent to the whole group.
        assert calcd.listener.group != calcd.supervisor.group
        calcd.signal(number)
        assert connection.recv(1) == b""
        connection.close()
        assert calcd.launcher.wait(DEADLINE) == 0
        calcd.wait_for_log(r"connection 1 .*: closed by calcd, which stops; requests: 1, .*")
        assert calcd.log()[-1].startswith("stopped: ")


def test_in_the_foreground_it_logs_to_standard_error(folder: Path) -> None:
    with Calcd(folder, "--log-target", "auto", foreground=True) as calcd:
        assert calcd.wait_for_log(r"calcd \S+ serves on .*")


def test_in_the_background_it_keeps_none_of_its_callers_streams(folder: Path) -> None:
    """Else a pipe of the caller's would stay open, and ssh HOST calcd would not return."""
    with Calcd(folder, "--log-target", "syslog", "--log-level", "err") as calcd:
        calcd.expected.append("calcd: /dev/log is missing: .*")  # as in most containers
        assert users_of(calcd.log_file) == []


def test_in_the_background_it_logs_to_standard_error_when_told_to(folder: Path) -> None:
    with Calcd(folder, "--log-target", "stderr") as calcd:
        assert calcd.supervisor.pid in [process.pid for process in users_of(calcd.log_file)]


def test_it_does_not_mind_closed_standard_streams(folder: Path) -> None:
    """A connection that got the number of one would be sent what is meant for that."""
    address = f"{own_address()}:7070"
    prefix = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
    with Calcd(folder, listen=[address], prefix=prefix) as calcd, connect(address) as connection:
        ask(connection, Operation.ADD, 1, 1)
        (handler,) = calcd.handlers
        for process in (calcd.supervisor, calcd.listener, handler):
            files = process.files()
            assert [files.get(fd) for fd in (0, 1, 2)] == ["/dev/null"] * 3, process


@pytest.mark.parametrize(
    "prefix",
    [("nohup",), ("env", "--ignore-signal=CHLD"), ("env", "--ignore-signal", "--block-signal")],
    ids=["nohup", "CHLD", "all"],
)
def test_it_does_not_mind_ignored_and_blocked_signals(folder: Path, prefix: tuple[str, ...]) -> None:
    with Calcd(folder, prefix=prefix) as calcd:
        for _ in range(5):
            with calcd.connect() as connection:
                assert ask(connection, Operation.ADD, 20, 22) == 42
        calcd.wait_for_log(r"connection \d .* ended .*: closed by client; .*", times=5)
        assert not calcd.handlers
        calcd.signal(signal.SIGHUP)
        calcd.wait_for_log("reloaded: .*")


# Interrupted starts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_a_start_that_is_interrupted_leaves_nothing_behind(
    tmp_path: Path, folder: Path, number: signal.Signals
) -> None:
    calcd = Calcd(folder, listen=["127.0.0.1:0", f"unix:{tmp_path}/socket"])
    with held_back(calcd):
        calcd.launcher.send_signal(number)
        assert calcd.launcher.wait() == -number
    wait_for(lambda: not users_of(calcd.log_file), "the end of the daemon")
    assert sorted(os.listdir(folder)) == ["calcd.conf", "log"]
    assert os.listdir(tmp_path) == ["calcd"]
    ordinary = re.compile("calcd .* serves on |stopping: |stopped: ")
    assert [line for line in calcd.log() if not ordinary.match(line)] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_start_that_is_interrupted_earlier_does_not_hinder_the_next(
    tmp_path: Path, folder: Path, number: signal.Signals
) -> None:
    with Calcd(folder, listen=[f"unix:{tmp_path}/socket"]) as calcd:
        for _ in range(5):
            calcd.stop()
            calcd.launch()
            wait_for(calcd.pidfile.exists, "a start that has begun")
            calcd.launcher.send_signal(number)
            if calcd.launcher.wait() != 0:
                wait_for(lambda: not users_of(calcd.log_file), "the end of the daemon")
                calcd.launch()
            assert calcd.outcome().returncode == 0, calcd.log()
            assert answers(f"unix:{tmp_path}/socket")
