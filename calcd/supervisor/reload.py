"""Reloads: reads the configuration again, and starts a listener with the new settings.

It tells the result to systemd, and to calcd --reload by the control socket.
"""

from collections.abc import Callable

from calcd.log import messages
from calcd.log.log import Log
from calcd.settings.table import ROWS, Settings
from calcd.supervisor import sd_notify
from calcd.supervisor.counts.counters import Counters
from calcd.supervisor.failure import Failure, system_failure
from calcd.supervisor.held.control import Control
from calcd.supervisor.status import Status
from calcd.supervisor.succession.roster import Roster
from calcd.supervisor.succession.succession import Succession


class Reload:
    def __init__(
        self,
        *,
        load_settings: Callable[[], Settings],
        roster: Roster,
        succession: Succession,
        control: Control | None,
        counters: Counters,
        status: Status,
        publish: Callable[[], None],
        log: Log,
    ) -> None:
        """load_settings reads the configuration again, and raises Failure if it is wrong. publish is called
        before those who wait for a reload hear that it is over."""
        self._load_settings = load_settings
        self._roster = roster
        self._succession = succession
        self._control = control
        self._counters = counters
        self._status = status
        self._publish = publish
        self._log = log
        self._is_under_way = False
        self._is_asked_again = False

    def ask(self) -> None:
        """Reloads, or reloads again after the reload that is under way."""
        if self._succession.is_closed:
            return
        if self._roster.candidate or self._is_under_way:  # all requests during a reload make one more
            self._is_asked_again = True
            return
        self._is_under_way = True
        sd_notify.reloading()
        try:
            settings = self._load_settings()
            sockets = self._succession.sockets.for_settings(settings)
        except (Failure, OSError) as error:
            self.settled(error if isinstance(error, Failure) else system_failure(error))
            return
        for setting in needing_restart(self._succession.settings, settings):
            self._log.write(messages.NEEDS_RESTART, setting=setting)
        self._succession.start(settings, sockets)

    def settled(self, failure: Failure | None) -> None:
        """A candidate serves, or has failed. If a reload started it, this is the result of the reload."""
        if self._is_under_way:
            self._is_under_way = False
            self._counters.last_reload_successful = failure is None
            if failure:
                self._counters.reloads_failed += 1
                self._log.write(messages.RELOAD_FAILED, reason=str(failure).replace("\n", "; "))
            else:
                self._counters.reloads += 1
                self._log.write(messages.RELOADED, listen=self._succession.sockets)
            self._publish()
            sd_notify.tell("READY=1")
            self._status.tell()
        if self._is_asked_again:
            self._is_asked_again = False
            self.ask()
        elif self._control:
            self._control.answer(failure)


def needing_restart(old: Settings, new: Settings) -> tuple[str, ...]:
    """Returns the names of the settings that differ and that only a restart puts in force."""
    return tuple(
        setting.name
        for attribute, setting in ROWS.items()
        if not setting.reloadable and getattr(old, attribute) != getattr(new, attribute)
    )
