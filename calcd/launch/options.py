"""The command line of calcd."""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import calcd
from calcd.settings.table import ROWS
from calcd.supervisor.failure import MEANINGS, ExitStatus, Failure


class Options(NamedTuple):
    action: str  # "run", or the option for another action, such as "--check"
    foreground: bool
    as_json: bool
    config_file: Path | None
    settings: Mapping[str, Sequence[str]]  # for calcd.settings.reading


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Failure(ExitStatus.USAGE, f"{message}; see calcd --help")


def parse(arguments: Sequence[str]) -> Options:
    """Returns the options. Raises Failure for a usage error. --help and --version print and exit."""
    parser = make_parser()
    given = parser.parse_args(arguments)
    if given.json and given.action != "--status":
        parser.error("--json says how --status prints, and takes it")
    # The path becomes absolute: the daemon changes to /, and reads the file again at a reload.
    config_file = Path(os.path.abspath(given.config)) if given.config else None
    return Options(given.action, given.foreground, given.json, config_file, given_settings(given))


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="calcd",
        description="A network calculator. Without an option that says otherwise, calcd goes to the "
        "background and returns when it serves.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,  # the help text of argparse is no sentence
        allow_abbrev=False,  # an abbreviation in a unit file would break when a similar option is added
    )
    parser.add_argument("-h", "--help", action="help", help="Print the options and statuses, and exit.")
    parser.add_argument(
        "--version",
        action="version",
        version=f"calcd {calcd.__version__}",
        help="Print the version, and exit.",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="Read FILE and FILE.d/*.conf. Default: /etc/calcd/calcd.conf, or /usr/lib/calcd/calcd.conf "
        "where that is missing, and *.conf in calcd.conf.d beside them; a name in /etc masks the same "
        "name in /usr/lib.",
    )
    parser.add_argument("--foreground", action="store_true", help="Do not go to the background.")
    actions = parser.add_mutually_exclusive_group()
    for option, text in (
        ("--check", "Check the configuration, say what is wrong, and exit."),
        ("--dump-config", "Print the settings in force, in the configuration's format, and exit."),
        ("--reload", "Have the running calcd reload, wait for the result, and exit."),
        (
            "--upgrade",
            "Have the running calcd go on as the installed code, wait for the result, and exit. Open "
            "connections go on.",
        ),
        ("--status", "Print what INFO has of the running calcd: connections, requests and more; and exit."),
        ("--metrics", "Print the metrics of the running calcd in Prometheus' text format, and exit."),
    ):
        actions.add_argument(
            option, action="store_const", const=option, dest="action", default="run", help=text
        )
    parser.add_argument("--json", action="store_true", help="With --status: print a JSON object.")
    add_settings(parser.add_argument_group("settings (they override the configuration's)"))
    return parser


def add_settings(group: argparse._ActionsContainer) -> None:
    for attribute, setting in ROWS.items():
        if setting.option:
            text = f"{setting.help} Default: {setting.default or 'empty'}."
            group.add_argument(
                setting.option,
                dest=attribute,
                action="append",  # also if it is not repeatable: the last one wins, as in a file
                metavar=setting.metavar,
                help=text.replace("%", "%%"),
            )


def command_line(given: Options) -> list[str]:
    """Returns a command line by which parse() makes the same configuration, in any working directory."""
    words = [] if given.config_file is None else [f"--config={given.config_file}"]
    return words + [
        f"{ROWS[attribute].option}={text}" for attribute, texts in given.settings.items() for text in texts
    ]


def given_settings(namespace: argparse.Namespace) -> dict[str, list[str]]:
    return {
        attribute: texts
        for attribute, setting in ROWS.items()
        if setting.option and (texts := getattr(namespace, attribute)) is not None
    }


def _epilog() -> str:
    statuses = "\n".join(f"  {status:2}  {meaning}" for status, meaning in MEANINGS.items())
    return (
        "signals to the process in the pidfile:\n"
        "  TERM, INT  answer what has been asked, close idle connections, exit; again: at once\n"
        "  HUP        reload the configuration; open connections go on\n"
        "  USR1       log the counters\n\n"
        f"exit status:\n{statuses}"
    )
