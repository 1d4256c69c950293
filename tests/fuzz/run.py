"""make fuzz: lets a fuzzer loose on every part of calcd that strangers' bytes come to.

    run.py [--seconds N | --runs N] [TARGET...]

It starts from tests/fuzz/corpus and from what earlier runs have found, in build/fuzz, and says how much it
has tried. What goes wrong is an input in build/fuzz, to be tried again with engine.py, and to be kept in the
corpus once it is mended.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fuzz.counts import Counts
from support.daemon import TREE, Calcd

FOLDER = Path(__file__).parent
CORPUS = FOLDER / "corpus"
# The daemon is sent the streams that the session is.
TARGETS = {
    "decoder": "decoder",
    "header": "header",
    "dialogue": "dialogue",
    "session": "session",
    "reports": "reports",
    "daemon": "session",
}
VENV = TREE / "build/venv"
LONGEST = 1200  # bytes of an input

# Beyond the ordinary, what a daemon says of streams of any kind.
EXPECTED = [
    r"connection \d+ from \S+ ended after [\d.]+ s: (truncated frame|division by zero|unknown operation"
    r"|connection lost); .*",
    r"connection \d+ from \S+ closed after [\d.]+ s: it does not speak calcd's protocols, .*",
    r"since .*",
]
COUNTERS = (
    r"since .*: connections now: (?P<now>\d+), served: (?P<served>\d+), "
    r"requests answered: (?P<requests>\d+), errors: (?P<errors>\d+), cut off: (?P<cut_off>\d+), .*"
)


class Result(NamedTuple):
    target: str
    counts: Counts
    seconds: float

    def __str__(self) -> str:
        counts = {name: f"{self.counts[name]:,}" for name in ("inputs", "streams", "frames")}
        return (
            "{target:<8} {inputs:>11} inputs {streams:>11} streams {frames:>12} frames {seconds:>6.0f} s"
        ).format(target=self.target, seconds=self.seconds, **counts)


def run(target: str, limit: str, found: Path, server: str = ":0", tree: Path = TREE) -> Result:
    """Runs the engine, with a limit that is an option of libFuzzer's; found is the folder for the inputs that
    lead to something new, tree the one that calcd is imported from.

    Raises AssertionError when it finds what should not be.
    """
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile() as file:
        counts = Counts.in_file(Path(file.name))
        began = time.monotonic()
        result = subprocess.run(
            [
                *(sys.executable, "-W", "error", str(FOLDER / "engine.py"), target, file.name, server),
                *(limit, f"-max_len={LONGEST}", f"-artifact_prefix={found.parent}/{target}-"),
                *("-timeout=100", "-verbosity=0", str(found), str(CORPUS / TARGETS[target])),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (tree, TREE / "tests", _packages())))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
            check=False,
        )
        assert result.returncode == 0, result.stdout
        return Result(target, counts, time.monotonic() - began)


def run_daemon(limit: str, found: Path, folder: Path) -> Result:
    """As run(), on a calcd in the folder, whose log, counters and processes have to be right at the end."""
    calcd = Calcd(folder)
    calcd.config.write_text("[calcd]\nLogConnections=errors\nProtocols=classic\n")
    calcd.expected += EXPECTED
    with calcd:
        result = run("daemon", limit, found, "{}:{}".format(*calcd.address))
        check_counters(calcd, result.counts)
    return result


def check_counters(calcd: Calcd, counts: Counts) -> None:
    """The daemon has counted what its client has."""
    # A connection's client may see its end before the supervisor does.
    for times in range(1, 100):
        calcd.signal(signal.SIGUSR1)
        line = calcd.wait_for_log(COUNTERS, times)[-1]
        if line["now"] == "0" and int(line["served"]) == counts["streams"]:
            break
        time.sleep(0.1)
    assert line["now"] == line["cut_off"] == "0", line[0]
    assert int(line["served"]) == counts["streams"], line[0]
    assert counts["least_requests"] <= int(line["requests"]) <= counts["most_requests"], line[0]
    assert counts["least_errors"] <= int(line["errors"]) <= counts["most_errors"], line[0]


def _packages() -> Path:
    """Where ./check has put atheris: for this Python, which has calcd's own dependencies."""
    packages = VENV / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"
    assert (packages / "atheris").is_dir(), f"atheris is not in {packages}: ./check installs it"
    return packages


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Fuzzes calcd.")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: %(default)s)")
    parser.add_argument("--runs", type=int, help="inputs for each target, instead")
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: all)"
    )
    given = parser.parse_args(arguments)
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"unknown target {', '.join(unknown)}: choose from {', '.join(TARGETS)}")
    limit = f"-runs={given.runs}" if given.runs else f"-max_total_time={given.seconds}"
    build = TREE / "build/fuzz"
    for target in given.targets or TARGETS:
        try:
            if target == "daemon":
                with tempfile.TemporaryDirectory() as folder:
                    result = run_daemon(limit, build / target, Path(folder))
            else:
                result = run(target, limit, build / target)
        except AssertionError as finding:
            print(finding, f"{target}: calcd has not done as it should", sep="\n")
            return 1
        print(result, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
