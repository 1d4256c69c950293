"""The fuzzer's process: libFuzzer, with calcd's modules under its eyes (atheris).

    engine.py TARGET COUNTS SERVER [option of libFuzzer...] [folder of inputs...]

SERVER is HOST:PORT of the daemon that the target of that name is for. What libFuzzer finds it writes to a
file, and leaves with a traceback and a status that is not 0.
"""

import random
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["calcd"], enable_loader_override=False):
    from fuzz import resp_target, targets

from fuzz import inputs, resp_inputs
from fuzz.counts import Counts

# How many inputs may be slow ones.
_SLOW = 0.01


def main() -> None:
    name, counts_file, server, *arguments = sys.argv[1:]
    counts = Counts.in_file(Path(counts_file))
    host, _, port = server.rpartition(":")
    target = {
        "decoder": lambda: targets.decoder(counts),
        "header": lambda: targets.header(counts),
        "dialogue": lambda: resp_target.dialogue(counts),
        "session": lambda: targets.session(counts),
        "reports": lambda: targets.reports(counts),
        "daemon": lambda: targets.daemon(counts, (host, int(port))),
    }[name]()

    changes = dict.fromkeys(("session", "daemon"), inputs.change_stream)
    changes["dialogue"] = resp_inputs.change_stream

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        dice = random.Random(seed)
        if name in ("header", "reports") or dice.random() < 0.5:
            data = bytes(atheris.Mutate(data, max_size))
        elif name == "decoder":
            data = inputs.change_stream(data, dice)
        else:
            data = inputs.change(data, dice, changes[name])
        if name in ("dialogue", "session", "daemon") and dice.random() >= _SLOW:
            data = inputs.hurry(data)
        return data[:max_size]

    atheris.Setup([sys.argv[0], *arguments], target, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
