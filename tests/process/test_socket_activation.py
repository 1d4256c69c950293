"""calcd on sockets that somebody passes to it, as systemd does: sd_listen_fds(3)."""

import os
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support import activate
from support.daemon import Calcd, ask, receive
from support.processes import DEADLINE

from calcd.protocol.classic import Operation, encode_request

# Whatever holds here holds however handlers are run.
pytestmark = pytest.mark.usefixtures("every_mode")

ADD = Operation.ADD


class Activated(Calcd):
    def __init__(self, folder: Path, *sockets: socket.socket, names: str = "classic") -> None:
        fds = [each.fileno() for each in sockets]
        super().__init__(folder, prefix=_activate(fds, names), pass_fds=fds)


def _activate(fds: Sequence[int], names: str) -> tuple[str, ...]:
    return sys.executable, activate.__file__, ",".join(map(str, fds)), names


def _answers(connection: socket.socket) -> bool:
    connection.settimeout(DEADLINE)
    return ask(connection, ADD, 20, 22) == 42


def test_it_serves_on_the_sockets_it_is_passed_and_on_no_other(tmp_path: Path, folder: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()
        with Activated(folder, tcp, unix, names="classic:classic") as calcd:
            with socket.create_connection(tcp.getsockname()) as connection:
                assert _answers(connection)
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
                assert _answers(connection)
            (serves,) = calcd.wait_for_log(r"calcd \S+ serves on (.*)")
            assert serves[1] == f"127.0.0.1:{tcp.getsockname()[1]}, unix:{path}"


def test_a_connection_that_has_the_deadlines_of_another_listener_gets_its_own(folder: Path) -> None:
    """A reload sets new ones on the listening socket, from which a handler of before may accept once more."""
    with socket.create_server(("127.0.0.1", 0)) as passed:
        calcd = Activated(folder, passed)
        calcd.config.write_text(
            "[calcd]\nFirstByteTimeout=infinity\nFrameTimeout=infinity\nIdleTimeout=infinity\n"
        )
        with calcd:
            passed.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 0, 100_000))
            with socket.create_connection(passed.getsockname()) as connection:
                connection.settimeout(0.5)
                with pytest.raises(TimeoutError):
                    connection.recv(1)
                assert _answers(connection)


def _speaks_resp(connection: socket.socket) -> bool:
    connection.settimeout(DEADLINE)
    connection.sendall(b"ADD 20 22\r\n")
    return connection.recv(16) == b":42\r\n"


@pytest.mark.parametrize("protocols", ["classic", "resp", "classic resp"])
def test_the_name_of_a_socket_says_what_is_spoken_there(folder: Path, protocols: str) -> None:
    """Whatever Protocols= says."""
    with (
        socket.create_server(("127.0.0.1", 0)) as both,
        socket.create_server(("127.0.0.1", 0)) as classic,
        socket.create_server(("127.0.0.1", 0)) as resp,
    ):
        calcd = Activated(folder, both, classic, resp, names="calcd:classic:resp")
        calcd.config.write_text(f"[calcd]\nProtocols={protocols}\n")
        calcd.expected.append(
            r"connection \d+ from \S+ closed after .* it does not speak calcd's protocols, .*"
        )
        with calcd:
            for passed in (both, classic):
                with socket.create_connection(passed.getsockname()) as connection:
                    assert _answers(connection)
            for passed in (both, resp):
                with socket.create_connection(passed.getsockname()) as connection:
                    assert _speaks_resp(connection)
            with socket.create_connection(classic.getsockname()) as connection:
                connection.sendall(b"ADD 20 22\r\n")
                assert connection.recv(16) == b""
            with socket.create_connection(resp.getsockname()) as connection:
                connection.sendall(encode_request(ADD, 20, 22))
                assert connection.recv(16) == b""
            calcd.wait_for_log(r"connection \d+ from \S+ closed after .*", 2)


@pytest.mark.parametrize("protocols", ["classic", "resp"])
def test_where_a_socket_has_no_name_the_configuration_says_what_is_spoken(
    folder: Path, protocols: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        calcd = Activated(folder, passed, names="unknown")
        calcd.config.write_text(f"[calcd]\nProtocols={protocols}\n")
        with calcd, socket.create_connection(passed.getsockname()) as connection:
            assert (_answers if protocols == "classic" else _speaks_resp)(connection)


@pytest.mark.parametrize("protocols", ["classic", "resp", "classic resp"])
def test_a_socket_named_proxied_speaks_behind_a_proxys_header_what_the_configuration_says(
    folder: Path, protocols: str
) -> None:
    header = b"PROXY TCP4 192.0.2.1 192.0.2.9 1234 7070\r\n"
    with socket.create_server(("127.0.0.1", 0)) as passed:
        calcd = Activated(folder, passed, names="proxied")
        calcd.config.write_text(f"[calcd]\nProtocols={protocols}\n")
        with calcd:
            (serves,) = calcd.wait_for_log(r"calcd \S+ serves on (.*)")
            assert serves[1] == f"proxied:127.0.0.1:{passed.getsockname()[1]}"
            for protocol in protocols.split():
                with socket.create_connection(passed.getsockname()) as connection:
                    connection.sendall(header)
                    assert (_answers if protocol == "classic" else _speaks_resp)(connection)
            calcd.wait_for_log("connection 1 from 192.0.2.1:1234 opened, .*")


def test_sockets_without_a_name_are_served_too(folder: Path) -> None:
    """systemd calls one "unknown" that a unit does not name; other tools do not set the variable."""
    with socket.create_server(("127.0.0.1", 0)) as passed:
        unset = (*_activate([passed.fileno()], "?"), "env", "--unset=LISTEN_FDNAMES")
        for calcd in (
            Activated(folder, passed, names="unknown"),
            Calcd(folder, prefix=unset, pass_fds=[passed.fileno()]),
        ):
            with calcd, socket.create_connection(passed.getsockname()) as connection:
                assert _answers(connection)


def test_it_leaves_the_sockets_as_they_were(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "socket"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))
        unix.listen()
        file = path.lstat()
        with Activated(folder, tcp, unix, names="classic:classic") as calcd:
            assert calcd.reload().returncode == 0
        for passed in (tcp, unix):
            assert passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
            with socket.socket(passed.family) as connection:
                connection.connect(passed.getsockname())
        assert os.path.samestat(path.lstat(), file)


def test_who_connects_while_it_is_restarted_is_answered(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        with Activated(folder, passed):
            pass
        waiting = [socket.create_connection(passed.getsockname()) for _ in range(20)]
        with Activated(folder, passed):
            for connection in waiting:
                assert _answers(connection)
                connection.close()


def test_who_connects_in_the_moment_it_stops_is_answered(folder: Path) -> None:
    """By the calcd that stops or by the next, whichever takes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as passed:
        with Activated(folder, passed) as calcd:
            listener = calcd.listener
            os.kill(listener.pid, signal.SIGSTOP)
            waiting = [socket.create_connection(passed.getsockname()) for _ in range(20)]
            for connection in waiting:
                connection.sendall(encode_request(ADD, 20, 22))
            calcd.signal(signal.SIGTERM)
            calcd.wait_for_log("stopping: .*")
            os.kill(listener.pid, signal.SIGCONT)
        with Activated(folder, passed):
            for connection in waiting:
                connection.settimeout(DEADLINE)
                assert receive(connection, 1) == (42,)
                connection.close()


def test_a_reload_keeps_serving_on_them(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed, Activated(folder, passed) as calcd:
        calcd.config.write_text("[calcd]\nDrainTime=1s\n")
        assert calcd.reload().returncode == 0
        with socket.create_connection(passed.getsockname()) as connection:
            assert _answers(connection)


def test_what_is_meant_for_another_process_is_not_taken(folder: Path) -> None:
    """LISTEN_PID is somebody else's: the variables were inherited by mistake."""
    prefix = ("env", f"LISTEN_PID={os.getpid()}", "LISTEN_FDS=1", "LISTEN_FDNAMES=classic")
    with Calcd(folder, prefix=prefix) as calcd, calcd.connect() as connection:
        assert _answers(connection)


def test_no_process_that_it_starts_learns_of_them(folder: Path) -> None:
    variables = ("NOTIFY_SOCKET=/nowhere", "WATCHDOG_USEC=60000000", "WATCHDOG_PID=")
    with (
        socket.create_server(("127.0.0.1", 0)) as passed,
        Calcd(
            folder,
            prefix=("env", *variables, *_activate([passed.fileno()], "classic")),
            pass_fds=[passed.fileno()],
        ) as calcd,
        socket.create_connection(passed.getsockname()) as connection,
    ):
        assert _answers(connection)
        (handler,) = calcd.handlers
        for process in (calcd.listener, handler):
            names = process.environment().keys()
            assert not {n for n in names if n.startswith(("NOTIFY_", "LISTEN_", "WATCHDOG_"))}, process


def _refusal(calcd: Calcd) -> str:
    assert calcd.start().returncode == 78
    (message,) = calcd.log()
    assert sorted(os.listdir(calcd.folder)) == ["calcd.conf", "log"]
    return message


def test_a_socket_of_an_unknown_name_is_refused(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        assert _refusal(Activated(folder, passed, names="clasic")) == (
            "calcd: the socket unit passes a socket named 'clasic': calcd knows calcd, classic, resp, "
            "proxied and metrics; set FileDescriptorName=calcd in the unit"
        )


NOT_A_LISTENING_STREAM = (
    "calcd: file descriptor 3 that the socket unit passes is not a listening stream socket: it takes "
    "ListenStream= and Accept=no"
)


def test_a_socket_that_does_not_listen_is_refused(folder: Path) -> None:
    with socket.socket() as passed:
        passed.bind(("127.0.0.1", 0))
        assert _refusal(Activated(folder, passed)) == NOT_A_LISTENING_STREAM
        passed.listen()  # nothing has been done to it


def test_a_connection_is_refused(folder: Path) -> None:
    """Accept=yes, by which systemd starts a service for each connection."""
    ours, passed = socket.socketpair()
    with ours, passed:
        assert _refusal(Activated(folder, passed)) == NOT_A_LISTENING_STREAM


def test_a_datagram_socket_is_refused(folder: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as passed:
        passed.bind(("127.0.0.1", 0))
        assert _refusal(Activated(folder, passed)) == NOT_A_LISTENING_STREAM


def test_what_is_not_a_socket_is_refused(folder: Path) -> None:
    reading_end, writing_end = os.pipe()
    try:
        calcd = Calcd(folder, prefix=_activate([reading_end], "classic"), pass_fds=[reading_end])
        assert _refusal(calcd) == NOT_A_LISTENING_STREAM
    finally:
        os.close(reading_end)
        os.close(writing_end)


def test_fewer_sockets_than_were_announced_are_refused(folder: Path) -> None:
    prefix = ("sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"', "sh")
    assert _refusal(Calcd(folder, prefix=prefix)) == (
        "calcd: the sockets that LISTEN_FDS= announces cannot be taken over: Bad file descriptor; let "
        "systemd pass them, or unset it"
    )
