"""The program calcd: it says which packages are missing, or runs."""

import sys

from calcd.supervisor import dependencies
from calcd.supervisor.failure import ExitStatus


def main() -> int:
    """Runs calcd with sys.argv. Returns the exit status."""
    if sys.stderr is not None and (missing := dependencies.missing()):
        print(f"calcd: {missing}", file=sys.stderr)
        return ExitStatus.OS_ERROR
    from calcd.launch import start  # noqa: PLC0415 - it imports the packages

    return start.run()
