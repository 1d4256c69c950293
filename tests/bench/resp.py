"""Measures what RESP costs in the interpreter alone, without a socket. resp.py --help lists the options."""

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # calcd

from calcd.protocol.resp.dialogue import Dialogue

_READ = 64 * 1024  # bytes that a session reads at once
_FOUR = (b"ADD", b"SUB", b"MUL", b"DIV")


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measures what RESP costs in the interpreter, for each command: parse, compute, format. "
        "The last column is the ratio to a step of an empty loop, which varies less between machines.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--rounds", type=int, default=100, help="How many, of which the best counts. Default: %(default)s."
    )
    rounds = parser.parse_args().rounds
    step = _best(_steps, rounds) / 10_000
    print(f"{'a step of an empty loop':50}{step * 1e9:8.1f} ns")
    for name, command in _kinds().items():
        commands: list[bytes] = []
        while len(b"".join(commands)) < _READ:
            commands += [command() for _ in range(200)]
        _show(f"{name}, 64 KiB at once", commands, 1, rounds, step)
    for name in ("arrays, ADD 2 3", "arrays, PING", "lines, ADD 2 3"):
        _show(f"{name}, alone", [_kinds()[name]()], 100, rounds, step)


def _kinds() -> dict[str, Callable[[], bytes]]:
    dice = random.Random(1)

    def number() -> bytes:
        return b"%d" % dice.randint(1, 999_999)

    return {
        "arrays, ADD 2 3": lambda: _array(b"ADD", b"2", b"3"),
        "arrays, ADD, 6 digits": lambda: _array(b"ADD", number(), number()),
        "arrays, four operations, 6 digits": lambda: _array(dice.choice(_FOUR), number(), number()),
        "arrays, ADD, one error in 1,000": lambda: _array(
            b"ADD", number(), number() * (dice.random() > 0.001)
        ),
        "arrays, ADD of three": lambda: _array(b"ADD", number(), number(), number()),
        "arrays, PING": lambda: _array(b"PING"),
        "lines, ADD 2 3": lambda: b"ADD 2 3\n",
        "lines, four operations, 6 digits": lambda: b"%b %b %b\n" % (dice.choice(_FOUR), number(), number()),
        "lines, unknown": lambda: b"FOO 2 3\n",
    }


def _array(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def _show(name: str, commands: list[bytes], times: int, rounds: int, step: float) -> None:
    dialogue = Dialogue(lambda: b"", lambda: 1)
    stream = b"".join(commands)

    def answer() -> None:
        for _ in range(times):
            dialogue.receive(stream)
            while dialogue.replies():
                pass

    seconds = _best(answer, rounds) / (times * len(commands))
    print(f"{name:50}{seconds * 1e9:8.0f} ns{seconds / step:10.0f}")


def _best(call: Callable[[], None], rounds: int) -> float:
    """Seconds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best


def _steps() -> None:
    for _ in range(10_000):
        pass


if __name__ == "__main__":
    main()
