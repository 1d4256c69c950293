"""calcd in containers: the service where its sandbox is refused, and calcd as the first process of one."""

import re
import shlex
from collections.abc import Iterator

import pytest
from support.daemon import TREE
from support.processes import wait_for
from support.readme import blocks
from system.machine import COPY, COPY_TREE, Background, Machine
from system.service import Service

INSTALL = f"{COPY_TREE}; make -C {COPY} install PREFIX=/usr"
(USE_THE_DROP_IN,) = blocks("sh", "A container that boots systemd", document="docs/containers.md")
(AS_FIRST_PROCESS,) = blocks("sh", "calcd as the first process", document="docs/containers.md")
(PROBE,) = re.findall(
    r"(?m)^HealthCmd=(.*)", (TREE / "packaging" / "container" / "calcd.container").read_text()
)
SERVER, METRICS = "127.0.0.1:7099", "metrics:127.0.0.1:7098"
# What an engine does: namespaces, all mounts but /proc read-only, a user that has no name, and no rights.
MAKE_READ_ONLY = (
    "for folder in / /dev /dev/shm /proc /run /tmp; do "
    "! mountpoint -q $folder || mount -o remount,bind,ro $folder || exit; done"
)
RIGHTS = "--reuid=65532 --regid=65532 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs"


def fails(machine: Machine, failure: str) -> None:
    service = Service(machine)
    machine.run("systemctl start calcd.socket")
    machine.spawn("calc-client add 2 3")
    wait_for(lambda: any(failure in entry["MESSAGE"] for entry in service.journal()), failure)


def serves_with_the_drop_in(machine: Machine) -> None:
    service = Service(machine)
    machine.run(USE_THE_DROP_IN)
    assert service.answer() == "5"
    for command in ("reload", "restart"):
        machine.run(f"systemctl {command} calcd")
        assert service.answer() == "5"
    status = machine.output(f"cat /proc/{service.show('MainPID')}/status")
    assert re.search(rf"(?m)^Uid:\t{machine.output('id -u calcd')}\t", status)
    assert re.search(r"(?m)^CapBnd:\t0{16}$", status)
    assert re.search(r"(?m)^NoNewPrivs:\t1$", status)
    assert re.search(r"(?m)^Seccomp:\t2$", status)
    service.close()  # nor has systemd any warning left


def test_without_the_capability_for_its_sandbox_the_drop_in_makes_it_serve() -> None:
    """On Debian 13: Debian 12's systemd does not boot so."""
    options = ["--drop-capability=CAP_SYS_ADMIN"]
    with Machine("trixie", before_boot=INSTALL, options=options) as machine:
        fails(machine, "status=226/NAMESPACE")
        serves_with_the_drop_in(machine)


def test_without_namespaces_the_drop_in_makes_it_serve() -> None:
    with Machine("bookworm", before_boot=INSTALL, options=["--private-users=pick"]) as machine:
        machine.run("systemctl start calcd")  # a user namespace of the container's own is no hindrance
        assert machine.output("calc-client add 2 3") == "5"
        machine.forbid_namespaces()
        fails(machine, "status=225/NETWORK")
        serves_with_the_drop_in(machine)


class Container:
    """calcd as PID 1, as docs/containers.md starts it."""

    def __init__(self, machine: Machine, limits: str = "") -> None:
        """limits is a command that runs another under limits of its own."""
        self.machine = machine
        command = AS_FIRST_PROCESS.strip().replace("metrics:0.0.0.0:7079", METRICS)
        command = f"{limits} {command.replace('0.0.0.0:7070', SERVER)}"
        self._process: Background = machine.spawn(
            "exec unshare --mount --mount-proc --pid --fork --kill-child --ipc --uts "
            f"bash -c \"$(cat <<'END'\n{MAKE_READ_ONLY}\nexec setpriv {RIGHTS} {command}\nEND\n)\" 2>&1"
        )
        self.wait_for_line(f"calcd .* serves on {SERVER}, {METRICS}")
        self.pid = self.pid_of("supervisor")

    def wait_for_line(self, pattern: str) -> None:
        """Its next line in the log, which must match."""
        line = self._process.read_line()
        assert re.fullmatch(rf"calcd\[1\]: {pattern}\n", line), line

    def pid_of(self, process: str) -> int:
        """As seen from the machine."""
        return int(self.machine.output(f"pgrep -f '^calcd: {process}$'"))

    def run(self, command: str) -> str:
        return self.machine.output(f"nsenter -t {self.pid} -m -p {command}")

    def answer(self) -> str:
        return self.machine.output(f"calc-client --server {SERVER} add 2 3")

    def stop(self) -> str:
        """TERM; returns what it logs from then on. Raises CommandError for a status other than 0."""
        self.machine.run(f"kill {self.pid}")
        return self._process.finish()


@pytest.fixture
def container(installed: Machine) -> Iterator[Container]:
    container = Container(installed)
    yield container
    assert "stopped: " in container.stop().splitlines()[-1]


def test_it_is_the_first_process_without_rights_a_name_or_a_place_to_write_to(container: Container) -> None:
    status = container.machine.output(f"cat /proc/{container.pid}/status")
    assert re.search(rf"(?m)^NSpid:\t{container.pid}\t1$", status)
    assert re.search(r"(?m)^Uid:\t65532\t65532\t65532\t65532$", status)
    for kind in ("Prm", "Eff", "Bnd", "Amb"):
        assert re.search(rf"(?m)^Cap{kind}:\t0{{16}}$", status), kind
    for folder in ("/", "/run", "/tmp", "/dev/shm"):
        refused = container.machine.run(f"nsenter -t {container.pid} -m touch {folder}/x", check=False)
        assert "Read-only file system" in refused.stderr
    assert container.answer() == "5"


def test_hup_reloads_and_a_killed_listener_is_replaced(container: Container) -> None:
    container.run("kill -HUP 1")
    container.wait_for_line(f"reloaded: serves on {SERVER}, {METRICS}")
    wait_for(lambda: container.machine.output("pgrep -fc '^calcd: listener$'") == "1", "one listener")
    container.machine.run(f"kill -KILL {container.pid_of('listener')}")
    container.wait_for_line(r"the listener \d+ died: killed by signal 9 .*")
    assert container.answer() == "5"


def test_a_probe_of_an_engine_is_answered_and_is_no_line_in_the_log(container: Container) -> None:
    container.run(f"sh -c {shlex.quote(PROBE.replace('7079', METRICS[-4:]))}")
    assert container.answer() == "5"
    container.wait_for_line("connection 1 from .* opened, .*")


def test_it_reaps_what_has_lost_its_parent(container: Container) -> None:
    container.run("sh -c 'sleep 1000 >/dev/null 2>&1 &'")
    container.machine.wait_for(f"pgrep -x sleep --parent {container.pid}")
    orphan = container.machine.output("pgrep -x sleep")
    container.machine.run(f"kill {orphan}")
    container.machine.wait_for(f"! test -e /proc/{orphan}")


def test_term_ends_it_with_clients_connected(container: Container) -> None:
    talk = container.machine.spawn(f"(echo 1 + 1; read _) | calc-client --server {SERVER}")
    assert talk.read_line() == "2\n"
    container.wait_for_line("connection 1 from .* opened, .*")


def test_limits_have_no_names_of_systemds_there(installed: Machine) -> None:
    limited = Container(installed, limits="prlimit --nproc=200")
    limited.wait_for_line(
        "MaxConnections=1000 takes 1003 processes, and ulimit -u allows 200: .* Raise it; or .*"
    )
    assert limited.answer() == "5"
    limited.stop()
