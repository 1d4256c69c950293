"""Does what the command line asks for: starts the daemon, step by step, and undoes the steps at the end."""

import contextlib
import os
import sys
from functools import partial

from calcd.launch import daemonize, options, privileges
from calcd.launch.daemonize import Launch
from calcd.launch.options import Options
from calcd.linux.prctl import PR_SET_CHILD_SUBREAPER, prctl
from calcd.linux.process_title import Title
from calcd.linux.signals import SignalPipe, ignore_stray
from calcd.log import log, messages, targets
from calcd.log.log import Log
from calcd.settings import reading, symlinks, writing
from calcd.settings.reading import ConfigError
from calcd.settings.table import Settings
from calcd.settings.values import LogTarget
from calcd.supervisor import sd_notify
from calcd.supervisor.failure import ExitStatus, Failure, system_failure
from calcd.supervisor.held import binding, control, sockets
from calcd.supervisor.held.control import Control
from calcd.supervisor.held.pidfile import Pidfile
from calcd.supervisor.loop import SIGNALS, Supervisor

_TO_STDERR = (LogTarget.STDERR, LogTarget.JSON)


def run() -> int:
    """Runs calcd with sys.argv. Returns the exit status."""
    daemonize.open_standard_streams()
    try:
        given = options.parse(sys.argv[1:])
        match given.action:
            case "--check":
                settings = _load(given)
                privileges.resolve(settings.user, settings.group)
                binding.group_id(settings)
                if given.config_file is None:
                    _warn_of_hidden_files()
            case "--dump-config":
                print(writing.dump(_load(given)), end="")
            case "--reload":
                control.reload(_load(given).pid_file)
            case "--status":
                request = control.STATUS_IN_JSON if given.as_json else control.STATUS
                print(control.ask(request, _load(given).pid_file), end="")
            case "--metrics":
                print(control.ask(control.METRICS, _load(given).pid_file), end="")
            case _:
                _start(given, _load(given))
        sys.stdout.flush()
    except Failure as failure:
        return _complain(failure)
    except OSError as error:
        return _complain(system_failure(error))
    return ExitStatus.OK


def _complain(failure: Failure) -> ExitStatus:
    for line in str(failure).splitlines():
        print(f"calcd: {line}", file=sys.stderr)
    return failure.status


def _warn_of_hidden_files() -> None:
    for name, target in symlinks.hidden_from_service():
        print(
            f"calcd: warning: {name} is a symbolic link to {target}, and {symlinks.WHAT_IS_SHOWN}",
            file=sys.stderr,
        )


def _load(given: Options) -> Settings:
    try:
        return reading.load(given.config_file, given.settings)
    except ConfigError as error:
        is_usage = all(problem.source.startswith("--") for problem in error.problems)
        raise Failure(ExitStatus.USAGE if is_usage else ExitStatus.CONFIG, str(error)) from error


def _start(given: Options, settings: Settings) -> None:
    """Starts calcd. Returns when the daemon serves, or, with --foreground, when it has ended.

    The steps that need the caller's rights or terminal come first: names of user and group, the pidfile's
    lock, the sockets. The daemon closes these at its end.
    """
    watchdog_interval = sd_notify.watchdog_interval()
    passed = sockets.take_passed()
    daemonize.clean_inheritance()
    identity = privileges.resolve(settings.user, settings.group)
    target = log.choose_target(settings.log_target, given.foreground)
    if target == LogTarget.SYSLOG and not os.path.exists(targets.SYSLOG_SOCKET):
        print(
            f"calcd: {targets.SYSLOG_SOCKET} is missing: until a syslog daemon runs, nothing is logged",
            file=sys.stderr,
        )
    with contextlib.ExitStack() as at_the_end:
        pidfile = control_socket = None
        if settings.pid_file:
            pidfile = Pidfile(settings.pid_file, identity)
            at_the_end.callback(pidfile.close)
            control_socket = Control(settings.pid_file, identity)
            at_the_end.callback(control_socket.close)
        listening = passed.for_settings(settings)
        at_the_end.callback(listening.close)
        Title().set(b"calcd: supervisor")

        def serve(launch: Launch | None) -> None:
            keeps_stderr = given.foreground or target in _TO_STDERR or log.is_service()
            # From here on, the loop handles signals. Before, they end the process.
            signals = SignalPipe(SIGNALS)
            ignore_stray()
            daemonize.admit_signals()
            to_log = Log(target, settings.log_level)
            keep_open = [
                *(pidfile, control_socket, launch, to_log),
                *signals.ends,
                *(each.socket for each in (*listening, *listening.metrics)),
            ]
            privileges.drop(identity)
            with (
                to_log,
                daemonize.context(
                    detach=launch is not None,
                    keep_open=[file for file in keep_open if file is not None],
                    stderr=sys.stderr if keeps_stderr else None,
                    pidfile=pidfile,
                ),
                contextlib.closing(control_socket) if control_socket else contextlib.nullcontext(),
            ):
                prctl(PR_SET_CHILD_SUBREAPER, 1)  # to become the parent of handlers whose listener dies
                if identity.uid == 0 and not settings.user:
                    to_log.write(messages.STAYS_ROOT)
                Supervisor(
                    settings=settings,
                    load_settings=partial(_load, given),
                    sockets=listening,
                    signals=signals,
                    pidfile=pidfile,
                    control=control_socket,
                    log=to_log,
                    watchdog_interval=watchdog_interval,
                    started=launch.succeeded if launch else sd_notify.ready,
                ).run()

        if given.foreground:
            serve(None)
        else:
            daemonize.launch(serve)
            at_the_end.pop_all()  # the daemon removes the files, so the launcher must not
            for each in (*listening, *listening.metrics):
                each.socket.close()
            if control_socket:
                control_socket.socket.close()
