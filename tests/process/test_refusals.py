"""calcd cannot start, and says why: on standard error, with a documented exit status, leaving nothing."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.addresses import own_address
from support.daemon import TREE, WITHOUT_RIGHTS, Calcd, ask
from support.processes import DEADLINE

from calcd.protocol.classic import Operation


def refusal(calcd: Calcd, *options: str) -> tuple[int, str]:
    """The exit status, and what is on standard error."""
    result = subprocess.run(
        calcd.command(*options), cwd=TREE, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert result.stdout == ""
    assert sorted(os.listdir(calcd.folder)) == ["calcd.conf", "log"]
    return result.returncode, result.stderr


@contextmanager
def program(script: str, *arguments: str) -> Iterator[tuple[int, str]]:
    """Runs a script that prints a line and waits for its end: its PID, and the line."""
    command = [sys.executable, "-c", script + "; print(flush=True); input()", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.pid, process.stdout.readline().strip()
        process.communicate("\n")


LISTEN = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], end='')"


# The address ------------------------------------------------------------------------------------------


def test_a_port_that_another_calcd_has(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "another").mkdir()
    with Calcd(tmp_path / "another") as another:
        host, port = another.address
        status, message = refusal(Calcd(folder, listen=[f"{host}:{port}"]))
        assert status == 69
        said = re.fullmatch(
            rf"calcd: cannot listen on {host}:{port}: (\S+) \(PID (\d+)\) does; stop that one, or choose "
            r"another address with --listen\n",
            message,
        )
        assert said, message
        assert int(said[2]) in (another.supervisor.pid, another.listener.pid)
        assert said[1] == Path(f"/proc/{said[2]}/comm").read_text().strip()


def test_a_port_that_another_program_has(folder: Path) -> None:
    with program(LISTEN) as (pid, port):
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        assert refusal(Calcd(folder, listen=[f"127.0.0.1:{port}"])) == (
            69,
            f"calcd: cannot listen on 127.0.0.1:{port}: {name} (PID {pid}) does; stop that one, or "
            "choose another address with --listen\n",
        )


def test_a_port_that_a_program_has_which_may_not_be_looked_into(folder: Path) -> None:
    undumpable = "import ctypes; ctypes.CDLL(None).prctl(4, 0)"  # PR_SET_DUMPABLE
    with program(f"{undumpable}; {LISTEN}") as (_, port):
        assert refusal(Calcd(folder, listen=[f"127.0.0.1:{port}"], prefix=WITHOUT_RIGHTS)) == (
            69,
            f"calcd: cannot listen on 127.0.0.1:{port}: another process does; stop that one, or "
            "choose another address with --listen\n",
        )


def test_a_port_that_is_taken_on_another_address_is_free_on_this_one(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with Calcd(folder, listen=[f"{own_address()}:{port}"]) as calcd, calcd.connect() as connection:
            assert ask(connection, Operation.ADD, 20, 22) == 42


def test_one_of_several_addresses_is_enough(tmp_path: Path, folder: Path) -> None:
    """And the others are given up."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        status, _ = refusal(Calcd(folder, listen=[f"unix:{tmp_path}/socket", taken]))
        assert status == 69
    assert os.listdir(tmp_path) == ["calcd"]


@pytest.mark.parametrize("backlog", [128, 0])
def test_a_unix_socket_that_is_in_use(tmp_path: Path, folder: Path, backlog: int) -> None:
    """Also by somebody so busy that nobody can connect: the command does not wait for that."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as client:
        other.bind(str(path))
        other.listen(backlog)
        client.connect(str(path))
        name = Path("/proc/self/comm").read_text().strip()
        assert refusal(Calcd(folder, listen=[f"unix:{path}"])) == (
            69,
            f"calcd: cannot listen on unix:{path}: {name} (PID {os.getpid()}) does; stop that one, or choose "
            "another address with --listen\n",
        )
    assert path.is_socket()


def test_an_address_that_is_not_of_this_machine(folder: Path) -> None:
    """192.0.2.0/24 is for documentation: RFC 5737."""
    assert refusal(Calcd(folder, listen=["192.0.2.1:7070"])) == (
        69,
        "calcd: cannot listen on 192.0.2.1:7070: Cannot assign requested address; choose an address of this "
        "machine (ip address lists them) with --listen, or set FreeBind=yes if it appears later\n",
    )


def test_a_socket_s_path_that_is_an_ordinary_file(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("precious\n")
    assert refusal(Calcd(folder, listen=[f"unix:{path}"])) == (
        73,
        f"calcd: cannot listen on unix:{path}: a file that is not a socket has that name; remove it\n",
    )
    assert path.read_text() == "precious\n"


def test_a_socket_s_folder_that_is_missing(tmp_path: Path, folder: Path) -> None:
    address = f"unix:{tmp_path}/missing/socket"
    assert refusal(Calcd(folder, listen=[address])) == (
        73,
        f"calcd: cannot listen on {address}: No such file or directory; choose another address with "
        "--listen\n",
    )


def test_no_address_at_all(folder: Path) -> None:
    status, message = refusal(Calcd(folder, listen=[""]))
    assert status == 78
    assert message == (
        "calcd: nowhere to listen for clients; give an address with Listen= or --listen, such as "
        "127.0.0.1:7070\n"
    )


# Rights -----------------------------------------------------------------------------------------------


def test_a_socket_s_folder_that_may_not_be_written(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    address = f"unix:{tmp_path}/closed/socket"
    assert refusal(Calcd(folder, listen=[address], prefix=WITHOUT_RIGHTS)) == (
        77,
        f"calcd: cannot listen on {address}: Permission denied: the folder, or the socket that is there, is "
        "somebody else's; start calcd as root, or choose another address with --listen\n",
    )


def test_a_port_that_takes_root(folder: Path) -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    calcd = Calcd(folder, listen=[f"{own_address()}:{max(first, 2) - 1}"], prefix=WITHOUT_RIGHTS)
    if first > 1:
        status, message = refusal(calcd)
        assert status == 77
        assert message.endswith(
            ": Permission denied: a port below 1024 takes root; start calcd as root, or choose another "
            "address with --listen\n"
        )
    else:  # a container's kernel lets everybody have every port
        with calcd:
            assert calcd.connect()


def test_a_user_that_only_root_can_become(folder: Path) -> None:
    user = "root" if os.geteuid() else "nobody"
    status, message = refusal(Calcd(folder, "--user", user, prefix=WITHOUT_RIGHTS))
    assert status == 77
    assert re.fullmatch(
        rf"calcd: cannot become user {user}, group \d+: only root can; start calcd as root, or leave User= "
        "and Group= empty\n",
        message,
    ), message


# Settings ---------------------------------------------------------------------------------------------


def test_an_unknown_user(folder: Path) -> None:
    assert refusal(Calcd(folder, "--user", "no-such-user")) == (
        67,
        "calcd: there is no user 'no-such-user': create it (adduser --system no-such-user) or name another "
        "with --user\n",
    )


def test_an_unknown_group(folder: Path) -> None:
    assert refusal(Calcd(folder, "--group", "no-such-group")) == (
        67,
        "calcd: there is no group 'no-such-group': create it (addgroup --system no-such-group) or name "
        "another with --group\n",
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--verbose",), "unrecognized arguments: --verbose"),
        (("--lis", "[::1]:0"), "unrecognized arguments: --lis [::1]:0"),
        (("now",), "unrecognized arguments: now"),
        (("--user",), "argument --user: expected one argument"),
        (("--check", "--reload"), "argument --reload: not allowed with argument --check"),
    ],
)
def test_an_option_that_is_wrong(folder: Path, options: tuple[str, ...], problem: str) -> None:
    assert refusal(Calcd(folder), *options) == (64, f"calcd: {problem}; see calcd --help\n")


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--listen", "localhost:7070", "'localhost:7070': 'localhost' is not an IP address, "),
        ("--listen", "127.0.0.1:65536", "'127.0.0.1:65536': '65536' is not a port: "),
        ("--listen", "unix:socket", "'unix:socket': the path must be absolute, "),
        ("--pidfile", "calcd.pid", "'calcd.pid' is not an absolute path"),
        ("--log-level", "loud", "'loud' is none of debug, info, notice, warning, err"),
        ("--log-target", "printer", "'printer' is none of auto, journal, syslog, stderr"),
    ],
)
def test_a_value_that_is_wrong(folder: Path, option: str, value: str, problem: str) -> None:
    status, message = refusal(Calcd(folder), option, value)
    assert status == 64
    assert message.startswith(f"calcd: {option}: {problem}")
    assert message.count("\n") == 1


def test_a_file_with_several_mistakes(folder: Path) -> None:
    """All of them are said at once."""
    calcd = Calcd(folder)
    calcd.config.write_text("[calcd]\nDrianTime=1s\n\nLogLevel=loud\n")
    assert refusal(calcd) == (
        78,
        f"calcd: {calcd.config}:2: unknown setting 'DrianTime': the nearest is 'DrainTime'\n"
        f"calcd: {calcd.config}:4: LogLevel: 'loud' is none of debug, info, notice, warning, err\n",
    )


def test_a_file_that_is_missing(folder: Path) -> None:
    path = folder / "missing.conf"
    assert refusal(Calcd(folder), "--config", str(path)) == (
        78,
        f"calcd: {path}: cannot be read: No such file or directory\n",
    )


def test_a_file_that_may_not_be_read(folder: Path) -> None:
    calcd = Calcd(folder, prefix=WITHOUT_RIGHTS)
    calcd.config.chmod(0)
    assert refusal(calcd) == (78, f"calcd: {calcd.config}: cannot be read: Permission denied\n")
