"""calcd as a service of a machine, the way its administrator sees it."""

import json
import re
from typing import Any, NamedTuple

from support.patience import patience
from support.processes import wait_for
from system.machine import SOURCE, Background, Machine

from calcd.log import messages
from calcd.log.messages import Message

SUPERVISOR, LISTENER, HANDLER = "calcd: supervisor", "calcd: listener", "calcd: serving "
SPARE_HANDLER = "calcd: waiting for a connection"
PIDFILE = "/run/calcd/calcd.pid"
# What systemd says when calcd fails to start, and when its main process dies.
FAILED_START = (r"calcd.service: Failed with result 'exit-code'.", r"Failed to start calcd.service - .*")
MAIN_DIED = (
    r"calcd.service: Main process exited, code=killed, .*",
    r"calcd.service: Failed with result '(signal|watchdog)'.",
)
# When systemd starts calcd again, as `systemctl show` says it: 252 has no pauses that grow.
RESTART_SETTINGS = {
    "bookworm": ["RestartUSec=3s"],
    "trixie": ["RestartUSec=500ms", "RestartSteps=5", "RestartMaxDelayUSec=5s"],
}
_DROP_IN = "/etc/calcd/calcd.conf.d/test.conf"
_LOAD = f"python3 {SOURCE}/tests/support/load.py"


class Process(NamedTuple):
    pid: int
    title: str
    state: str  # the first letter of ps(1)'s: Z is a zombie


class Service:
    """Installed from the tree with the settings it comes with; stopped, socket and all, at first."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.expected: list[str] = []  # regular expressions for warnings and errors in its log
        self._reset()
        self._cursor = machine.journal("--lines=1")[-1]["__CURSOR"]

    def _reset(self) -> None:
        self.machine.run(
            "systemctl disable --now --quiet calcd-metrics.socket calcd-proxied.socket; "
            "systemctl stop calcd.service calcd.socket; "
            "systemctl reset-failed; "
            f"rm -rf /etc/systemd/system/calcd{{.,-metrics.,-proxied.}}* {_DROP_IN}; systemctl daemon-reload"
        )

    def close(self) -> None:
        """Stops it. Raises AssertionError when it, or systemd about it, has logged an unexpected problem."""
        self._reset()
        problems = [entry["MESSAGE"] for entry in self.journal("--priority=warning")]
        unexpected = [
            text for text in problems if not any(re.fullmatch(known, text) for known in self.expected)
        ]
        assert not unexpected, "\n".join(unexpected)

    def start(self) -> None:
        self.machine.run("systemctl start calcd")

    def configure(self, text: str) -> None:
        self.machine.run(f"mkdir -p $(dirname {_DROP_IN}); cat >{_DROP_IN}", stdin=text)

    def extend_unit(self, unit: str, text: str) -> None:
        """Adds a drop-in to one of calcd's units."""
        folder = f"/etc/systemd/system/{unit}.d"
        self.machine.run(f"mkdir -p {folder}; cat >{folder}/test.conf; systemctl daemon-reload", stdin=text)

    def use_example(self, name: str) -> None:
        """Adds a drop-in of the documents to the unit whose folder it is in there."""
        examples, units = "/usr/share/doc/calcd/examples", "/etc/systemd/system"
        self.machine.run(
            f"mkdir -p {units}/{name.partition('/')[0]}; cp {examples}/{name} {units}/{name}; "
            "systemctl daemon-reload"
        )

    def answer(self) -> str:
        """What calc-client gets from it for 2 + 3."""
        return self.machine.output(f"calc-client --timeout {patience(10)} add 2 3")

    def show(self, property_name: str) -> str:
        return self.machine.show("calcd.service", property_name)

    def processes(self, title: str = "") -> list[Process]:
        """The processes of its control group, or those whose title starts like this."""
        pids = "$(cat /sys/fs/cgroup/{,systemd,unified}/system.slice/calcd.service/cgroup.procs 2>/dev/null)"
        listing = self.machine.run(f"ps -o pid=,state=,args= -p {pids}", check=False).stdout
        found = (line.split(maxsplit=2) for line in listing.splitlines())
        processes = [Process(int(pid), args, state) for pid, state, args in found]
        return [process for process in processes if process.title.startswith(title)]

    def pid(self, title: str) -> int:
        """The PID of the process with this title, once there is only one: a launcher may just be leaving."""
        wait_for(lambda: len(self.processes(title)) == 1, f"one process {title!r}")
        return self.processes(title)[0].pid

    def wait_until_serving(self) -> None:
        wait_for(lambda: self.machine.run("calc-client add 2 3", check=False).returncode == 0, "an answer")

    def wait_for_another_connection(self) -> None:
        def ended() -> int:
            return len(self.logged(messages.CONNECTION_ENDED))

        before = ended()
        wait_for(lambda: ended() > before, "another connection's end in the journal")

    def journal(self, arguments: str = "") -> list[dict[str, Any]]:
        """What `journalctl -u calcd` shows of this test."""
        # --after-cursor would skip the first line that matches, even when it is not the one at the cursor.
        entries = self.machine.journal(f"--unit=calcd --cursor='{self._cursor}' {arguments}")
        return [entry for entry in entries if entry["__CURSOR"] != self._cursor]

    def logged(self, message: Message) -> list[dict[str, Any]]:
        """The lines of one kind that `journalctl -u calcd` shows of this test."""
        return self.journal(f"MESSAGE_ID={message.id}")

    def load(self, server: str = "127.0.0.1:7070") -> "Load":
        """Clients that come and go until they are told to stop; returns once one was answered."""
        return load(self.machine, server)

    def staying(self, kind: str, clients: int) -> "Load":
        """Clients that stay, idle or busy, until they are told to stop; returns once all were answered."""
        return Load(self.machine.spawn(f"{_LOAD} --stay {kind} --clients {clients}"))

    def connect(self, connections: int) -> dict[str, int]:
        """Makes a number of connections as fast as they go; returns what became of them."""
        return outcomes(self.machine.output(f"{_LOAD} --connections {connections} --clients 8"))


def restart_settings(machine: Machine) -> list[str]:
    """As in RESTART_SETTINGS."""
    names = "RestartUSec,RestartSteps,RestartMaxDelayUSec"
    return machine.output(f"systemctl show --property={names} calcd.service").splitlines()


def load(machine: Machine, server: str) -> "Load":
    """As Service.load()."""
    return Load(machine.spawn(f"{_LOAD} --server {server}"))


class Load:
    def __init__(self, program: Background) -> None:
        self._program = program
        assert program.read_line() == "under way\n"

    def finish(self) -> dict[str, int]:
        """Stops it; returns what became of its connections: "ok" for those that went as they should."""
        return outcomes(self._program.finish())


def outcomes(printed: str) -> dict[str, int]:
    counts: dict[str, int] = json.loads(printed.splitlines()[-1])
    return counts
