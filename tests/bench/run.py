"""Compares calcd with other servers, on Debian 12 and Debian 13. run.py --help lists the options."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # bench, support and system

from bench import processes, report
from bench.debians import DEBIANS, Debian, build_load
from bench.measure import Figure, Load, MeasurementError, measure
from bench.servers import CLASSIC, MOST_CLIENTS, RESP, Server
from bench.summary import baseline, servers
from system.machine import TREE, MachineError

_MODES = ("storm", "pingpong", "pipeline", "hold")
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOADS = (
    "storm:1,storm:32,pingpong:1,pipeline:1,hold:200,"
    "resp-storm:32,resp-pingpong:1,resp-pipeline:1,resp-pipeline:32"
)
_NAMES = tuple(dict.fromkeys(server.name for server in (*CLASSIC, *RESP)))


def main() -> None:
    options = _options()
    _require_host()
    processes.adopt_orphans()
    for each in _INTERRUPTS:
        signal.signal(each, _interrupt)
    for debian in DEBIANS:
        if reason := debian.try_to_enter():
            sys.exit(f"bench: mounts, as to enter a {debian.name}, take CAP_SYS_ADMIN, or: {reason}")
    try:
        build_load()
        for debian in DEBIANS:
            debian.build()
    except subprocess.CalledProcessError as error:
        sys.exit(f"bench: gcc has failed, with status {error.returncode}: its messages above say why")
    # For all that is started from here. The last one: the first has most of the interrupts to do.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rounds: dict[tuple[Debian, Load, Server], list[Figure]] = {}
    for number in range(1, options.rounds + 1):
        for load in options.loads:
            for server in servers(load):
                if server.name not in options.only and server is not baseline(load):
                    continue
                for debian in DEBIANS:
                    figure = _measure(debian, server, load, options.seconds)
                    rounds.setdefault((debian, load, server), []).append(figure)
                    print(
                        f"round {number}  {load!s:18}{debian.name:12}{server.name:18}{figure.value:14,.0f}",
                        flush=True,
                    )
    for path in report.write(options.output, rounds, options.seconds):
        print(f"wrote {path}")


def _require_host() -> None:
    if os.geteuid() != 0:
        sys.exit("bench: it mounts and enters root directories of Debian, as only root may: run it as root")
    if shutil.which("mmdebstrap") is None:
        sys.exit(
            "bench: mmdebstrap is missing, which makes root directories of Debian: apt-get install mmdebstrap"
        )


def _measure(debian: Debian, server: Server, load: Load, seconds: float) -> Figure:
    """Tries once more: a run takes long, and a failure in it is not worth all of that."""
    try:
        return measure(debian, server, load, seconds)
    except MeasurementError as error:
        print(f"bench: {error}; once more", file=sys.stderr)
        return measure(debian, server, load, seconds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Compares calcd with other servers on Debian 12 and Debian 13, all on this machine's "
        "kernel and loopback, and on one of its CPUs.",
        allow_abbrev=False,
    )
    parser.add_argument("--rounds", type=_positive, default=5, help="How many. Default: 5.")
    parser.add_argument(
        "--seconds", type=_positive, default=1, help="How long each measurement takes. Default: 1."
    )
    parser.add_argument(
        "--loads",
        type=_loads,
        default=_LOADS,
        help=f"With commas: {', '.join(_MODES)}, each with :CLIENTS or for one, and with resp- before it for "
        f"RESP. Default: {_LOADS}.",
    )
    parser.add_argument(
        "--only",
        type=_names,
        default=_NAMES,
        metavar="NAMES",
        help=f"Servers, with commas; the baseline is always one. Default: {','.join(_NAMES)}",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=TREE / "docs" / "benchmarks",
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
        name, _, clients = item.partition(":")
        mode = name.removeprefix("resp-")
        if mode not in _MODES:
            raise argparse.ArgumentTypeError(f"{item}: the loads are {', '.join(_MODES)}")
        loads.append(Load(mode != name, mode, _positive(clients or "1")))
        if loads[-1].clients > MOST_CLIENTS:
            raise argparse.ArgumentTypeError(
                f"{item}: at most {MOST_CLIENTS} clients, which C prefork has processes for"
            )
    return loads


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := sorted(set(names) - set(_NAMES)):
        raise argparse.ArgumentTypeError(f"{unknown[0]}: the servers are {', '.join(_NAMES)}")
    return names


def _interrupt(number: int, _frame: object) -> None:
    # Once: a second Ctrl-C is not to interrupt the cleaning up.
    for each in _INTERRUPTS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    try:
        main()
    except (MachineError, MeasurementError) as error:
        sys.exit(f"bench: {error}")
    finally:
        processes.end_descendants()
