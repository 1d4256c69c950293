"""The small C programs of tests/c, built when they are needed."""

import subprocess
from pathlib import Path

_SOURCES = Path(__file__).parent.parent / "c"


def build(name: str, into: Path, *options: str) -> Path:
    """Compiles tests/c/NAME.c into the directory, with gcc's options, and returns the program's path.

    Raises subprocess.CalledProcessError when gcc finds fault with it.
    """
    program = into / name
    source = _SOURCES / f"{name}.c"
    command: list[str | Path] = [
        "gcc",
        "-std=c11",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        *options,
        "-o",
        program,
        source,
    ]
    subprocess.run(command, check=True)
    return program
