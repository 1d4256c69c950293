"""32-bit systems: i386, which x86-64 runs by itself, and armhf with 64-bit time_t, by qemu-user."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import Calcd
from support.processes import wait_for
from support.system_calls import EPERM, KILLED
from system.machine import SOURCE, TREE, Background, Machine, Root, base_root
from system.service import HANDLER, LISTENER, SUPERVISOR, Service

from calcd.log import messages

NEEDED = ("python3-daemon", "python3-systemd", "python3-seccomp")
I386 = Root(
    packages=("systemd", "systemd-sysv", "dbus", *NEEDED, "make", "procps", "gcc", "libc6-dev"),
    architecture="i386",
)
# Unpacked only: nothing of it has to run for that, which qemu-user would take minutes for.
ARMHF = Root(packages=("base-files", "python3"), architecture="armhf", variant="extract")

# By i386's numbers.
FORBIDDEN = {
    "open a file": "5",
    "make a socket": "102 1",
    "make a socket, by the call that has no other use": "359 1 1 0",
    "execute": "11",
    "send a signal": "37 1 0",
    "map code": "192 0 4096 5 34 -1 0",
    "map what is in memory how": "90 0",
    "make memory code": "125 0 4096 5",
}
STOPPED = r"connection \d+ from \S+ ended .*: killed by signal 31 \(SIGSYS\): it tried a system call .*"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine("bookworm", root=I386) as machine:
        yield machine


@pytest.fixture(params=["", "SpareHandlers=2\nConnectionsPerHandler=3\n"], ids=["as shipped", "reused"])
def serving(request: pytest.FixtureRequest, service: Service) -> Service:
    """With limits that handlers ask the listener about, and on a Unix socket as well."""
    service.configure(
        f"[calcd]\n{request.param}ExemptSources=\nMaxRatePerSource=100000\n"
        "FirstByteTimeout=4s\nConnectionLifetime=60s\n"
    )
    service.extend_unit("calcd.socket", "[Socket]\nListenStream=/run/calcd.socket\n")
    service.start()
    return service


def inject(service: Service, pid: int, call: str) -> str:
    program = "/tmp/system_call"
    service.machine.run(f"[ -e {program} ] || gcc -o {program} {SOURCE}/tests/c/system_call.c")
    return service.machine.output(f"{program} {pid} {call}")


def talk(service: Service) -> Background:
    """A connection that has a handler."""
    talk = service.machine.spawn("(echo 1 + 1; read _; echo 2 + 2) | calc-client")
    assert talk.read_line() == "2\n"
    return talk


def test_i386_answers_with_its_filters_in_force(serving: Service) -> None:
    assert serving.machine.output("python3 -c 'import struct; print(struct.calcsize(\"P\"))'") == "4"
    assert serving.answer() == "5"
    assert serving.machine.output("calc-client --server unix:/run/calcd.socket mul 6 7") == "42"
    talking = talk(serving)
    found = {
        title: int(
            serving.machine.output(f"grep -Po 'Seccomp_filters:\\s*\\K.*' /proc/{serving.pid(title)}/status")
        )
        for title in (SUPERVISOR, LISTENER, HANDLER)
    }
    assert found[LISTENER] - found[SUPERVISOR] == 1
    assert found[HANDLER] - found[SUPERVISOR] == 2
    assert talking.finish() == "4\n"


def test_i386_serves_many_and_reloads_and_keeps_deadlines(serving: Service) -> None:
    load = serving.load()
    serving.machine.run("systemctl reload calcd")
    silent = serving.machine.spawn("exec 3<>/dev/tcp/127.0.0.1/7070; cat <&3; echo over")
    assert silent.read_line() == "over\n"
    wait_for(lambda: serving.logged(messages.CUT_OFF), "its line in the journal")
    (cut_off,) = serving.logged(messages.CUT_OFF)
    assert 4 <= float(cut_off["CALCD_DURATION"]) < 20
    outcomes = load.finish()
    assert outcomes.pop("ok") > 10
    assert not outcomes


def test_i386_kills_a_handler_that_tries_more_than_its_work(service: Service) -> None:
    service.expected = [STOPPED]
    service.start()
    listener = service.pid(LISTENER)
    for what, call in FORBIDDEN.items():
        assert inject(service, listener, call) == EPERM, what
        talking = talk(service)
        assert inject(service, service.pid(HANDLER), call) == KILLED, what
        talking.abandon()
    wait_for(lambda: len(service.logged(messages.HANDLER_STOPPED)) == len(FORBIDDEN), "a line for each")
    assert service.answer() == "5"
    assert service.pid(LISTENER) == listener


# Time-outs of a socket: a handler's, and a client's on Unix sockets. The daemon itself does not start there:
# qemu-user's /proc/self/stat ends before what a title takes. Nor does it take filters.
PROGRAM = """
import os, socket, sys, time
sys.path.insert(0, "/home/src")
from calcd.client import Client
from calcd.client.errors import ServerTimeoutError
from calcd.linux.socket_timeouts import limit_receive, timeval

ours, theirs = socket.socketpair()
limit_receive(ours.fileno(), timeval(0.5))
began = time.monotonic()
try:
    os.read(ours.fileno(), 1)
except BlockingIOError:
    print(len(timeval(0.5)), 0.4 < time.monotonic() - began < 30)
with Client("unix:/home/calcd/socket") as client:
    print(client.mul(6, 7))
full = socket.socket(socket.AF_UNIX)
full.bind("/home/full")
full.listen(0)
waiting = socket.socket(socket.AF_UNIX)
waiting.connect("/home/full")
began = time.monotonic()
try:
    Client("unix:/home/full", 0.5)
except ServerTimeoutError:
    print(0.4 < time.monotonic() - began < 30)
"""


# Runs it, in a mount namespace of its own: sh -c ROOT TREE FOLDER PROGRAM.
CHROOT = """
mount -t tmpfs tmpfs "$0/home"
mkdir "$0/home/src" "$0/home/calcd"
mount --bind "$1" "$0/home/src"
mount --bind "$2" "$0/home/calcd"
cp /usr/bin/qemu-arm-static "$0/home"
exec chroot "$0" /home/qemu-arm-static /usr/bin/python3 -B -W error -c "$3"
"""


def test_armhf_with_64_bits_of_time_keeps_time_outs(tmp_path: Path) -> None:
    root = base_root("trixie", ARMHF)
    folder = tmp_path / "calcd"
    folder.mkdir()
    with Calcd(folder, listen=(f"unix:{folder}/socket",)):
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-ec", CHROOT, root, TREE, folder, PROGRAM],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout.splitlines() == ["16 True", "42", "True"], done
