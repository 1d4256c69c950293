"""Does what the command line asks for: starts the daemon, step by step, and undoes the steps at the end."""

import contextlib
import os
import sys
from functools import partial

from calcd.launch import configuration, daemonize, options, privileges
from calcd.launch.daemonize import Launch
from calcd.launch.options import Options
from calcd.linux import shared_page
from calcd.linux.prctl import PR_SET_CHILD_SUBREAPER, prctl
from calcd.linux.process_title import Title
from calcd.linux.signals import SignalPipe, ignore_stray
from calcd.log import log, messages, targets
from calcd.log.log import Log
from calcd.settings import symlinks, writing
from calcd.settings.table import Settings
from calcd.settings.values import LogTarget
from calcd.supervisor import sd_notify
from calcd.supervisor.failure import ExitStatus, Failure, system_failure
from calcd.supervisor.held import binding, control, pidfile, sockets
from calcd.supervisor.loop import SIGNALS, Supervisor
from calcd.supervisor.memory import Memory
from calcd.supervisor.succession.roster import Roster

_TO_STDERR = (LogTarget.STDERR, LogTarget.JSON)


def run() -> int:
    """Runs calcd with sys.argv. Returns the exit status."""
    daemonize.open_standard_streams()
    try:
        given = options.parse(sys.argv[1:])
        match given.action:
            case "--check":
                settings = configuration.load(given)
                privileges.resolve(settings.user, settings.group)
                binding.group_id(settings)
                _warn_of_hidden_files(given)
            case "--dump-config":
                print(writing.dump(configuration.load(given)), end="")
            case "--reload":
                control.reload(configuration.load(given).pid_file)
            case "--upgrade":
                control.upgrade(configuration.load(given).pid_file)
            case "--status":
                request = control.STATUS_IN_JSON if given.as_json else control.STATUS
                print(control.ask(request, configuration.load(given).pid_file), end="")
            case "--metrics":
                print(control.ask(control.METRICS, configuration.load(given).pid_file), end="")
            case _:
                _start(given, configuration.load(given))
        sys.stdout.flush()
    except Failure as failure:
        return configuration.complain(failure)
    except OSError as error:
        return configuration.complain(system_failure(error))
    return ExitStatus.OK


def _warn_of_hidden_files(given: Options) -> None:
    for name, target in symlinks.hidden_from_service(given.config_file):
        print(
            f"calcd: warning: {name} is a symbolic link to {target}, and {symlinks.WHAT_IS_SHOWN}",
            file=sys.stderr,
        )


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
        locked = control_socket = None
        if settings.pid_file:
            locked = pidfile.lock(settings.pid_file, identity)
            at_the_end.callback(locked.close)
            control_socket = control.listen(settings.pid_file, identity)
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
                *(locked, control_socket, launch, to_log),
                *signals.ends,
                *(each.socket for each in listening),
            ]
            privileges.drop(identity)
            with (
                to_log,
                daemonize.context(
                    detach=launch is not None,
                    keep_open=[file for file in keep_open if file is not None],
                    stderr=sys.stderr if keeps_stderr else None,
                    pidfile=locked,
                ),
                contextlib.closing(control_socket) if control_socket else contextlib.nullcontext(),
            ):
                prctl(PR_SET_CHILD_SUBREAPER, 1)  # to become the parent of handlers whose listener dies
                if identity.uid == 0 and not settings.user:
                    to_log.write(messages.STAYS_ROOT)
                Supervisor(
                    command_line=options.command_line(given),
                    settings=settings,
                    load_settings=partial(configuration.load, given),
                    sockets=listening,
                    signals=signals,
                    pidfile=locked,
                    control=control_socket,
                    page=shared_page.make(),
                    roster=Roster(),
                    memory=Memory(),
                    log=to_log,
                    watchdog_interval=watchdog_interval,
                ).start(launch.succeeded if launch else sd_notify.ready)

        if given.foreground:
            serve(None)
        else:
            daemonize.launch(serve)
            at_the_end.pop_all()  # the daemon removes the files, so the launcher must not
            for each in listening:
                each.socket.close()
            if control_socket:
                control_socket.socket.close()
