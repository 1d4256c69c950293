"""Compares calcd with other servers of its protocol. run.py --help lists the options."""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # bench, and support

from bench import processes, report, servers
from bench.measure import Figure, Load, MeasurementError, measure
from bench.servers import BASELINE, BUILD, ROOT, SERVERS, Server

_MODES = ("storm", "pingpong", "pipeline", "hold")
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOADS = "storm:1,storm:32,pingpong:1,pipeline:1,hold:200"


def main() -> None:
    options = _options()
    processes.adopt_orphans()
    for each in _INTERRUPTS:
        signal.signal(each, _interrupt)
    _build()
    present, missing = _look_for(options.only)
    # For all that is started from here. The last one: the first has most of the interrupts to do.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rounds: dict[tuple[Load, Server], list[Figure]] = {}
    for number in range(1, options.rounds + 1):
        for load in options.modes:
            for server, program in present.items():
                figure = measure(server, program, load, options.seconds)
                rounds.setdefault((load, server), []).append(figure)
                print(f"round {number}  {load!s:12}{server.name:18}{figure.value:14,.0f}", flush=True)
    for path in report.write(options.output, rounds, missing, options.seconds):
        print(f"wrote {path}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Compares calcd with other servers of its protocol, all on this machine's loopback.",
        allow_abbrev=False,
    )
    parser.add_argument("--rounds", type=_positive, default=5, help="How many. Default: 5.")
    parser.add_argument(
        "--seconds", type=_positive, default=2, help="How long each measurement takes. Default: 2."
    )
    parser.add_argument(
        "--modes",
        type=_loads,
        default=_LOADS,
        help=f"Loads, with commas: {', '.join(_MODES)}, each with :CLIENTS or for one. Default: {_LOADS}.",
    )
    parser.add_argument(
        "--only",
        type=_names,
        default=SERVERS,
        metavar="NAMES",
        help="Servers, with commas; the baseline is always one. Default: "
        + ",".join(server.name for server in SERVERS),
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "docs" / "benchmarks",
        metavar="DIR",
        help="Where results.md and the charts go. Default: docs/benchmarks.",
    )
    return parser.parse_args()


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return int(text)


def _loads(text: str) -> list[Load]:
    loads = []
    for item in text.split(","):
        mode, _, clients = item.partition(":")
        if mode not in _MODES:
            raise argparse.ArgumentTypeError(f"{item}: the loads are {', '.join(_MODES)}")
        loads.append(Load(mode, _positive(clients or "1")))
    return loads


def _names(text: str) -> list[Server]:
    names = text.split(",")
    known = {server.name for server in SERVERS}
    if unknown := sorted(set(names) - known):
        raise argparse.ArgumentTypeError(f"{unknown[0]}: the servers are {', '.join(sorted(known))}")
    return [server for server in SERVERS if server is BASELINE or server.name in names]


def _interrupt(number: int, _frame: object) -> None:
    # Once: a second Ctrl-C is not to interrupt the cleaning up.
    for each in _INTERRUPTS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def _build() -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in ("fork_server", "handler", "load"):
        source = ROOT / "tests" / "bench" / f"{name}.c"
        command = ["gcc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]
        try:
            subprocess.run([*command, "-o", BUILD / name, source], check=True)
        except FileNotFoundError:
            sys.exit("bench: gcc is missing, and compiles the load: apt-get install gcc libc6-dev")
        except subprocess.CalledProcessError:
            sys.exit(f"bench: gcc cannot compile {source}: its messages above say why")


def _look_for(wanted: list[Server]) -> tuple[dict[Server, str], list[Server]]:
    """The installed servers with their programs, and those that are missing."""
    present: dict[Server, str] = {}
    missing = []
    for server in wanted:
        program = servers.find(server)
        if program is None:
            print(
                f"bench: LEFT OUT: {server.name}, because {server.program} is not installed: "
                f"apt-get install {server.package}",
                file=sys.stderr,
            )
            missing.append(server)
        else:
            present[server] = program
    return present, missing


if __name__ == "__main__":
    try:
        main()
    except MeasurementError as error:
        sys.exit(f"bench: {error}")
    finally:
        processes.end_descendants()
