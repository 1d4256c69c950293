"""make soak: one calcd, clients of every kind, faults, reloads, upgrades, all at the same time, for a while.

    run.py [--seconds N] [--seed TEXT]

Whatever happens, every answer is right, and a connection is lost for one reason alone: its own handler was
killed. Reloads change how handlers are run. At the end there is as much of calcd as at the beginning.
"""

import argparse
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from soak import clients
from support.daemon import TREE, Calcd, ask
from support.exchange import TIMEOUT
from support.processes import Process, of_session, wait_for

from calcd.protocol.classic import Operation

# For so much of the time listeners are left alone at the end: one that leaks has the time to.
_STEADY = 0.2
# Seconds between two faults.
_INTERVAL = 1.5
_STORM = 20  # SIGHUPs
# Seconds that listeners may take to hear of each other's connections.
_HEARSAY = 2.0
# KiB. In ten minutes (80,000 connections, 260 listeners) the supervisor grew by 48, a listener by 96, as an
# allocator's arenas do. This is 13 bytes for each of the connections, or 4 KiB for each listener: less than
# any object that were forgotten each time.
MOST_GROWTH = 1024

_PEER = r"connection \d+ from \S+"
EXPECTED = [
    rf"{_PEER} ended after [\d.]+ s: (truncated frame|division by zero|unknown operation); .*",
    rf"{_PEER} ended after [\d.]+ s: connection lost; .*",
    rf"{_PEER} ended after [\d.]+ s: its handler \d+ died: killed by signal \d+ \(SIG\w+\); .*",
    rf"{_PEER} ended after [\d.]+ s; how is not known, .*",
    rf"{_PEER} closed after [\d.]+ s: it does not speak calcd's protocols, .*",
    rf"{_PEER} cut off after [\d.]+ s: \w+= is over; .*",
    r"the listener \d+ died: killed by signal \d+ \(SIG\w+\); .*",
    r"reload failed, the old settings stay in force: .*",
    r"\S+ is reached: new connections wait .*",
    r"\S+ is no longer reached, .*",
    r"\S+ has reached MaxConnectionsPerSource=.*",
    r"\S+ keeps to MaxConnectionsPerSource=.*",
    r"since .*",
    r"handler \d+ died while it waited for a connection: killed by signal \d+ \(SIG\w+\); .*",
]


Span = tuple[float, float, str]  # from when to when, by time.monotonic(), and what


class State(NamedTuple):
    """What there is of a calcd that nobody is connected to, when its listener is new."""

    processes: int
    files: int  # of supervisor and listener
    supervisor: int  # KiB of memory
    listener: int

    def __str__(self) -> str:
        return (
            f"{self.processes} processes, {self.files} file descriptors, {self.supervisor:,} KiB in the "
            f"supervisor, {self.listener:,} KiB in the listener"
        )


class Crowd:
    """The clients, in a with statement."""

    def __init__(self, calcd: Calcd, path: Path, seed: str) -> None:
        program = [sys.executable, "-W", "error", str(Path(__file__).with_name("clients.py"))]
        self._process = subprocess.Popen(
            [*program, "{}:{}".format(*calcd.address), str(path), seed],
            env={**os.environ, "PYTHONPATH": f"{TREE}{os.pathsep}{TREE / 'tests'}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.counts: Counter[str] = Counter()
        self.lost: list[Span] = []
        self.excesses: list[Span] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        output, _ = self._process.communicate()
        told: dict[str, Any] = json.loads(output)
        self.counts.update(told["counts"])
        self.lost, self.excesses = told["lost"], told["excesses"]
        assert not told["wrong"], "\n".join(told["wrong"][:20])
        assert self._process.returncode == 0


class Soak:
    def __init__(self, folder: Path, seed: str) -> None:
        """The folder is empty."""
        self._seed = seed
        self._dice = random.Random(seed)
        self._path = folder / "socket"
        (folder / "calcd").mkdir()
        # No core dumps of the handlers and listeners that are killed.
        self.calcd = Calcd(
            folder / "calcd", listen=["127.0.0.1:0", f"unix:{self._path}"], prefix=["prlimit", "--core=0"]
        )
        self.calcd.config.write_text(clients.SETTINGS)
        self.calcd.expected += EXPECTED
        self.faults: Counter[str] = Counter()
        self.clients: Counter[str] = Counter()
        self.listener_kills: list[float] = []  # time.monotonic()
        self.changes: list[Span] = []  # when one listener followed another
        self.lost: list[Span] = []
        self.excesses: list[Span] = []

    def run(self, seconds: float) -> str:
        """Returns what to say about it. Raises AssertionError."""
        began = time.monotonic()
        with self.calcd:
            self._address = self.calcd.address  # while the log is short
            self._crowd(f"{self._seed} warm-up", seconds * 0.1, steady=0)
            before = self._state()
            self._crowd(self._seed, seconds * 0.9, steady=seconds * _STEADY)
            self._wait_for_quiet()
            aged = _memory(self.calcd.listener)
            after = self._state()
            self._check_excuses()
            counters = self._counters()
            self._check_counters(counters)
        states = f"before: {before}; after: {after}; the listener from the last fifth of the time: {aged} KiB"
        assert after.processes == before.processes == 2, states
        assert after.files == before.files, states
        assert after.supervisor - before.supervisor <= MOST_GROWTH, states
        assert aged - before.listener <= MOST_GROWTH, states
        return self._summary(time.monotonic() - began, before, after, aged, counters)

    def _crowd(self, seed: str, seconds: float, steady: float) -> None:
        """Clients for so many seconds, and faults but for the last of them; each fault at least once."""
        end = time.monotonic() + seconds
        left = list(self._faults)
        with Crowd(self.calcd, self._path, seed) as crowd:
            while time.monotonic() < end - steady or (left and not steady):
                fault = left.pop() if left else self._dice.choice(self._faults)
                name = fault.__name__.strip("_").replace("_", " ")
                since = time.monotonic()
                fault(self)
                self._probe()
                self.faults[name] += 1
                if fault in self._changing:
                    self.changes.append((since, time.monotonic(), name))
                time.sleep(self._dice.uniform(0, 2 * _INTERVAL))
            time.sleep(max(0.0, end - time.monotonic()))
        self.clients.update(crowd.counts)
        self.lost += crowd.lost
        self.excesses += crowd.excesses

    # --- Faults

    def _kill_a_listener(self) -> None:
        """The one that serves, or one that only has old connections left."""
        if not (listeners := self.calcd.listeners):
            return
        listener = self._dice.choice(listeners)
        self.listener_kills.append(time.monotonic())
        os.kill(listener.pid, self._dice.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT)))
        wait_for(lambda: not listener.exists, "the listener to be waited for")

    def _stop_a_listener_for_a_moment(self) -> None:
        if listeners := self.calcd.listeners:
            listener = self._dice.choice(listeners)
            os.kill(listener.pid, signal.SIGSTOP)
            time.sleep(0.3)
            os.kill(listener.pid, signal.SIGCONT)

    def _reload(self) -> None:
        connections = self._dice.choice(("1", "1", "10", "infinity"))
        spare = self._dice.randrange(8)
        self._configure(f"ConnectionsPerHandler={connections}\nSpareHandlers={spare}")
        result = self.calcd.reload()
        assert result.returncode == 0, result.stderr

    def _reload_a_bad_file(self) -> None:
        self._configure("IdleTimeout=never")
        result = self.calcd.reload()
        assert result.returncode != 0
        assert "IdleTimeout" in result.stderr
        self._configure("")

    def _upgrade(self) -> None:
        """To the same code: the supervisor goes on as another program all the same."""
        result = self.calcd.upgrade()
        assert result.returncode == 0, result.stderr

    def _configure(self, more: str) -> None:
        """At one stroke: a reload that is under way finds the old settings or the new ones."""
        new = self.calcd.config.with_suffix(".new")
        new.write_text(f"{clients.SETTINGS}{more}\n")
        new.rename(self.calcd.config)

    def _storm_of_HUPs(self) -> None:  # noqa: N802 - as it is called
        for _ in range(_STORM):
            self.calcd.signal(signal.SIGHUP)
            time.sleep(self._dice.uniform(0, 0.02))
        self._reload()  # answered when the storm is over

    _changing = (_kill_a_listener, _reload, _storm_of_HUPs, _upgrade)
    _faults = (*_changing, _stop_a_listener_for_a_moment, _reload_a_bad_file)

    def _probe(self) -> None:
        """It serves."""
        with socket.create_connection(self._address, TIMEOUT) as connection:
            assert ask(connection, Operation.ADD, 20, 22) == 42
        self.clients.update(connections=1, least_requests=1, most_requests=1)

    # --- What there is at the end

    def _wait_for_quiet(self) -> None:
        # What clients have left behind is cut off first, by the longest of the deadlines.
        wait_for(
            lambda: not self.calcd.handlers and len(self.calcd.listeners) == 1, "the last connection's end"
        )

    def _state(self) -> State:
        self._wait_for_quiet()
        self._configure("SpareHandlers=0")
        result = self.calcd.reload()
        assert result.returncode == 0, result.stderr
        self.faults["reload"] += 1
        self._probe()
        wait_for(lambda: len(of_session(self.calcd.session)) == 2, "supervisor and listener to be alone")
        supervisor, listener = self.calcd.supervisor, self.calcd.listener
        files = len(supervisor.files()) + len(listener.files())
        return State(len(of_session(self.calcd.session)), files, _memory(supervisor), _memory(listener))

    def _counters(self) -> dict[str, int]:
        self.calcd.signal(signal.SIGUSR1)
        (line,) = self.calcd.wait_for_log("since .*")
        return {
            name.strip().replace(" ", "_"): int(number)
            for name, number in re.findall(r"([a-z ]+): (\d+)", line[0])
        }

    def _check_excuses(self) -> None:
        assert not self.lost, [kind for _, _, kind in self.lost]
        # Listeners that follow one another may each let in so many before they hear of the others'.
        for since, until, kind in self.excesses:
            assert any(start <= until and since <= end + _HEARSAY for start, end, _ in self.changes), (
                f"{kind} had more than {clients.PER_SOURCE} connections from one source, and nothing was done"
            )

    def _check_counters(self, counters: dict[str, int]) -> None:
        """With a listener that is killed, what it alone knew is lost: reports that it had read and not passed
        on, and the connections refused in the last second."""
        lines = self.calcd.log()
        unknown = sum("how is not known" in line for line in lines)  # reports
        mine, kills, late = self.clients, len(self.listener_kills), self.clients["late"]
        served = mine["connections"] - mine["refused"]
        bounds = {
            "connections_now": (0, 0),
            "listeners_lost": (kills, kills),
            "served": (served - 2 * kills - late, served + kills + late),
            "requests_answered": (
                mine["least_requests"] - (unknown + kills) * clients.MOST_REQUESTS,
                mine["most_requests"],
            ),
            "cut_off": (mine["least_cut_off"] - unknown - kills, mine["most_cut_off"] + late),
            "strangers": (mine["strangers"] - unknown - kills, mine["strangers"]),
            "refused": (0, mine["refused"]),
        }
        wrong = {
            name: f"{counters[name]}, and not from {least} to {most}"
            for name, (least, most) in bounds.items()
            if not least <= counters[name] <= most
        }
        assert not wrong, f"calcd's counters: {wrong}"
        deaths = sum("its handler" in line for line in lines)
        assert abs(deaths - mine["handlers_killed"]) <= unknown + kills
        assert sum(line.startswith("the listener") for line in lines) == kills

    def _summary(
        self, seconds: float, before: State, after: State, aged: int, counters: dict[str, int]
    ) -> str:
        mine = self.clients
        kinds = ", ".join(f"{mine[kind.__name__]:,} {kind.__name__}" for kind in clients.KINDS)
        faults = Counter(self.faults)
        faults["handlers killed"] = mine["handlers_killed"]
        faults["handlers stopped for a moment"] = mine["handlers_paused"]
        return "\n".join(
            (
                f"{seconds:.0f} s, seed {self._seed}",
                f"connections: {mine['connections']:,}, of which refused {mine['refused']:,}; {kinds}",
                f"requests: {counters['requests_answered']:,} answered, all of them as the model says where "
                f"the client could read them ({mine['least_requests']:,})",
                f"faults: {', '.join(f'{name} {number:,}' for name, number in sorted(faults.items()))}",
                f"connections lost: {len(self.lost)}",
                f"sources with more connections than they may have, at a change: {len(self.excesses)}",
                f"clients late themselves: {mine['late']}",
                f"before: {before}",
                f"after: {after}",
                f"a listener that has served for the last fifth of the time: {aged:,} KiB",
                f"calcd's counters: {', '.join(f'{name} {n:,}' for name, n in counters.items())}",
            )
        )


def _memory(process: Process) -> int:
    """Resident, in KiB."""
    return int(process.status("VmRSS").split()[0])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Soaks calcd.")
    parser.add_argument("--seconds", type=float, default=600, help="(default: %(default)s)")
    parser.add_argument("--seed", default=str(random.randrange(1_000_000)))
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        print(Soak(Path(folder), given.seed).run(given.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
