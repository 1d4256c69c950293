"""The small C programs of tests/c, built when they are needed."""

import subprocess
from pathlib import Path

_SOURCES = Path(__file__).parent.parent / "c"


def build(name: str, into: Path) -> Path:
    """Compiles tests/c/NAME.c into the directory and returns the program's path.

    Raises subprocess.CalledProcessError when gcc finds fault with it.
    """
    program = into / name
    source = _SOURCES / f"{name}.c"
    subprocess.run(
        ["gcc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source], check=True
    )
    return program
