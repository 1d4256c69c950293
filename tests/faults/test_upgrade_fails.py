"""Upgrades in place to which something happens; beside tests/process/test_upgrade_in_place.py, where the new
code fails."""

import os
import signal
import socket
from pathlib import Path

import pytest
from support.clients import Clients
from support.daemon import Calcd, ask, receive
from support.installed import PROOF, TAKEOVER, Installed
from support.processes import of_session, stopped, wait_for
from support.strace import injected

from calcd.protocol.classic import Operation, encode_request

ADD = Operation.ADD


FAULTS = {
    "no memory for the state": ("memfd_create:error=ENOMEM", "Cannot allocate memory"),
    "no process for the proof": ("clone,clone3,vfork:error=EAGAIN", "Resource temporarily unavailable"),
    "no file for the answer": ("pipe2:error=EMFILE", "Too many open files"),
    "the new program is not executed": ("execve:error=ENOEXEC", "Exec format error"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_where_the_system_refuses_what_it_takes_calcd_serves_on_as_before(folder: Path, fault: str) -> None:
    calls, reason = FAULTS[fault]
    names, _, error = calls.partition(":")
    with Calcd(folder) as calcd, Clients(calcd.address) as clients:
        refused = rf"upgrade failed: .* serves on: the system refuses what calcd needs: .*{reason}.*"
        calcd.expected.append(refused)
        files = calcd.supervisor.files().keys()
        listener = calcd.listener
        with injected(calcd.supervisor, *(f"{name}:{error}" for name in names.split(","))):
            result = calcd.upgrade()
        assert (result.returncode, reason in result.stderr) == (71, True)
        clients.wait_for_answers()
        assert calcd.listener.pid == listener.pid
        wait_for(lambda: calcd.supervisor.files().keys() == files, f"the files {files}")
        # Signals are taken as before, and so is the next request.
        calcd.signal(signal.SIGHUP)
        calcd.wait_for_log("reloaded: .*")
        assert calcd.upgrade().returncode == 0
        clients.wait_for_answers()


@pytest.mark.parametrize("step", ["while the new code is tried", "once it is executed", "once it has begun"])
def test_kill_9_in_the_midst_of_it_is_a_supervisors_death(
    folder: Path, installed: Installed, step: str
) -> None:
    """Who is served gets an answer, the listener ends, and the next calcd starts at once."""
    with Calcd(folder, tree=installed.tree) as calcd:
        idle, half, fresh = (calcd.connect() for _ in range(3))
        for connection in (idle, half):
            assert ask(connection, ADD, 1, 1) == 2
        request = encode_request(ADD, 20, 22)
        half.sendall(request[:5])
        calcd.wait_for_log("connection 3 .* opened, .*")
        old = calcd.session
        match step:
            case "while the new code is tried":
                installed.stop_at("launch/proof.py", PROOF)
            case "once it is executed":
                installed.stop_at("launch/takeover.py", TAKEOVER)
            case _:
                installed.stop_at("supervisor/loop.py", "        self._reload.finish_upgrade(version)\n")
        command = calcd.tell("--upgrade")
        stopped(lambda: of_session(old))
        os.kill(calcd.supervisor.pid, signal.SIGKILL)
        result = calcd.told(command)
        assert (result.returncode, "calcd did not answer" in result.stderr) == (75, True)
        assert idle.recv(1) == b""
        half.sendall(request[5:])
        assert receive(half, 1) == (42,)
        assert half.recv(1) == b""
        fresh.sendall(request)
        assert receive(fresh, 1) == (42,)
        for each in of_session(old):
            if each.title == "calcd: trying an upgrade" or each.status("State")[0] == "T":
                os.kill(each.pid, signal.SIGCONT)
        installed.restore()
        assert calcd.start().returncode == 0
        with Clients(calcd.address) as clients:
            wait_for(lambda: not of_session(old), "the old calcd's end")
            clients.wait_for_answers()
        for connection in (idle, half, fresh):
            connection.close()


def test_a_socket_that_a_client_has_queued_at_is_never_closed(folder: Path, installed: Installed) -> None:
    """A client that connects while the supervisor is executed anew is served by the old listener."""
    with Calcd(folder, tree=installed.tree) as calcd:
        address = calcd.address
        installed.stop_at("launch/takeover.py", TAKEOVER)
        command = calcd.tell("--upgrade")
        stopped(lambda: [calcd.supervisor])
        with socket.create_connection(address) as connection:
            assert ask(connection, ADD, 20, 22) == 42
        os.kill(calcd.supervisor.pid, signal.SIGCONT)
        assert calcd.told(command).returncode == 0
        calcd.wait_for_log("connection 1 .* ended .*")
