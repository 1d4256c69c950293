"""The program that the supervisor executes in its own place, to go on as this code
(calcd.supervisor.upgrade).

All signals are blocked until there is a pipe for them.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from calcd.launch import configuration, daemonize, options
from calcd.linux.process_title import Title
from calcd.linux.shared_page import Writer
from calcd.linux.signals import SignalPipe, ignore_stray
from calcd.log.log import Log
from calcd.settings import reading
from calcd.settings.addresses import parse_address
from calcd.settings.reading import ConfigError
from calcd.settings.table import Settings
from calcd.settings.values import LogTarget
from calcd.supervisor.failure import ExitStatus, Failure, system_failure
from calcd.supervisor.held.control import Control
from calcd.supervisor.held.listener_process import ListenerProcess
from calcd.supervisor.held.pidfile import Pidfile
from calcd.supervisor.held.sockets import Sockets
from calcd.supervisor.loop import SIGNALS, Supervisor
from calcd.supervisor.succession.roster import Roster
from calcd.supervisor.upgrade import state
from calcd.supervisor.upgrade.state import State


class Understood(NamedTuple):
    settings: Settings  # in force
    load_settings: Callable[[], Settings]
    log_target: LogTarget


def understand(given: State) -> Understood:
    """Returns what is not taken over as it is. Raises Failure if this code cannot take over."""
    load_settings = partial(configuration.load, options.parse(given.command_line))
    try:
        for listener in (*given.alive, *given.orphaned):
            reading.read_texts(listener.settings)
        for listening in given.sockets.own:
            parse_address(listening.address)
        return Understood(reading.read_texts(given.settings), load_settings, LogTarget(given.log.target))
    except (ConfigError, ValueError) as error:
        raise Failure(
            ExitStatus.SOFTWARE, f"what the running calcd does is not understood: {error}; restart calcd"
        ) from error


def main() -> int:
    """The last argument is the state's file descriptor. Returns the exit status, once calcd has ended."""
    file = int(sys.argv[-1])
    try:
        _take_over(state.read(file), file)
    except Failure as failure:
        return configuration.complain(failure)
    except OSError as error:
        return configuration.complain(system_failure(error))
    return ExitStatus.OK


def _take_over(given: State, file: int) -> None:
    os.close(file)
    for fd in given.file_descriptors():
        os.set_inheritable(fd, False)
    Title().set(b"calcd: supervisor")
    understood = understand(given)
    signals = SignalPipe(SIGNALS)
    ignore_stray()
    with contextlib.ExitStack() as at_the_end:
        log = at_the_end.enter_context(Log(understood.log_target, understood.settings.log_level, given.log))
        sockets = Sockets.taken_over(given.sockets)
        at_the_end.callback(sockets.close)
        pidfile = control = None
        if given.pidfile:
            pidfile = Pidfile(given.pidfile)
            at_the_end.callback(pidfile.close)
        if given.control:
            control = Control(given.control)
            at_the_end.callback(control.close)
        supervisor = Supervisor(
            command_line=given.command_line,
            settings=understood.settings,
            load_settings=understood.load_settings,
            sockets=sockets,
            signals=signals,
            pidfile=pidfile,
            control=control,
            page=Writer(given.page.file, given.page.for_reading, given.page.number),
            roster=_roster(given),
            memory=given.memory,
            log=log,
            watchdog_interval=given.watchdog_interval,
        )
        daemonize.admit_signals()
        supervisor.go_on(given.calcd)


def _roster(given: State) -> Roster:
    roster = Roster()
    roster.alive = {each.pid: ListenerProcess(each) for each in given.alive}
    roster.orphaned = [ListenerProcess(each) for each in given.orphaned]
    roster.current = roster.alive.get(given.current) if given.current else None
    return roster
