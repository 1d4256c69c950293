"""Reads the configuration by the command line's options, and says what is wrong."""

import sys

from calcd.launch.options import Options
from calcd.settings import reading
from calcd.settings.reading import ConfigError
from calcd.settings.table import Settings
from calcd.supervisor.failure import ExitStatus, Failure


def load(given: Options) -> Settings:
    """Raises Failure."""
    try:
        return reading.load(given.config_file, given.settings)
    except ConfigError as error:
        is_usage = all(problem.source.startswith("--") for problem in error.problems)
        raise Failure(ExitStatus.USAGE if is_usage else ExitStatus.CONFIG, str(error)) from error


def complain(failure: Failure) -> ExitStatus:
    """Says on standard error what is wrong. Returns the exit status."""
    for line in str(failure).splitlines():
        print(f"calcd: {line}", file=sys.stderr)
    return failure.status
