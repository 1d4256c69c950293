"""Reloads: reads the configuration again, and starts a listener with the new settings. Upgrades: the same, by
a supervisor that is the installed code.

It tells the result to systemd, and to calcd --reload or calcd --upgrade by the control socket.

An upgrade has three steps. The installed code shows in a child that it could take over. Once no listener is
starting, it takes over (calcd.supervisor.upgrade). The new supervisor then reloads, in finish_upgrade().
Whoever waits for the result waits at the same socket for the new supervisor.
"""

import enum
from collections.abc import Callable

import calcd
from calcd.linux.event_loop import Timers
from calcd.log import messages
from calcd.log.log import Log
from calcd.settings.table import ROWS, Settings
from calcd.supervisor import sd_notify
from calcd.supervisor.counts.counters import Counters
from calcd.supervisor.failure import Failure, system_failure
from calcd.supervisor.held.control import RELOAD, UPGRADE, Control
from calcd.supervisor.status import Status
from calcd.supervisor.succession.roster import Roster
from calcd.supervisor.succession.succession import Succession


class _Step(enum.Enum):
    IDLE = enum.auto()  # nothing is under way
    TRYING = enum.auto()  # the installed code shows that it could take over
    PROVED = enum.auto()  # it has; a listener that starts in the place of a dead one is waited for
    STARTING = enum.auto()  # a listener starts with the new settings


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
        timers: Timers,
        publish: Callable[[], None],
        log: Log,
        try_upgrade: Callable[[Callable[[Failure | None], None]], None],
        hand_over: Callable[[], Failure | None],
    ) -> None:
        """load_settings reads the configuration again, and raises Failure if it is wrong. publish is called
        before those who wait for a reload hear that it is over.

        try_upgrade calls its argument with None once the installed code has shown that it can take over, else
        with the reason; it raises OSError. hand_over lets it take over, and returns only if that fails, the
        reason; or None if calcd stops.
        """
        self._load_settings = load_settings
        self._roster = roster
        self._succession = succession
        self._control = control
        self._counters = counters
        self._status = status
        self._timers = timers
        self._publish = publish
        self._log = log
        self._try_upgrade = try_upgrade
        self._hand_over = hand_over
        self._step = _Step.IDLE
        self._is_upgrade = False  # what is under way
        self._upgraded_from: str | None = None  # the version, once this one has taken over
        # What is done next. All requests meanwhile make one more.
        self._is_reload_asked = False
        self._is_upgrade_asked = False

    def ask(self, *, upgrades: bool = False) -> None:
        """Reloads or upgrades, or does it again after what is under way."""
        if self._succession.is_closed:
            return
        if self._roster.candidate or self._step != _Step.IDLE:
            self._is_upgrade_asked |= upgrades
            self._is_reload_asked |= not upgrades
            return
        sd_notify.reloading()
        if upgrades:
            self._begin_upgrade()
        else:
            self._start_listener()

    def finish_upgrade(self, version: str) -> None:
        """Reloads, for an upgrade from this version that the supervisor before has begun."""
        self._is_upgrade = True
        self._upgraded_from = version
        self._start_listener()

    def _begin_upgrade(self) -> None:
        self._is_upgrade = True
        self._step = _Step.TRYING
        try:
            self._try_upgrade(self._proved)
        except OSError as error:
            self._proved(system_failure(error))

    def _proved(self, failure: Failure | None) -> None:
        """The installed code has shown that it can take over, or has failed to."""
        if self._succession.is_closed:
            return  # those who wait are told when the control socket is closed
        if self._is_upgrade_asked and not failure:  # perhaps because other code is installed by now
            self._is_upgrade_asked = False
            self._begin_upgrade()
            return
        if failure or not self._roster.candidate:
            self._take_over(failure)
        else:
            self._step = _Step.PROVED

    def _take_over(self, failure: Failure | None) -> None:
        failure = failure or self._hand_over()
        if failure:
            reason = f"the installed code does not take over, calcd {calcd.__version__} serves on: {failure}"
            self._finish(Failure(failure.status, reason))

    def _start_listener(self) -> None:
        self._step = _Step.STARTING
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
        match self._step:
            case _Step.STARTING:
                self._finish(failure)
            case _Step.PROVED:
                # Not here: children that have ended with that listener may have to be taken yet.
                self._timers.set("take over", 0.0, lambda: self._proved(None))
            case _Step.IDLE:  # as in the two others, a listener took the place of one that had died
                self._answer(failure)

    def _answer(self, failure: Failure | None) -> None:
        if self._is_upgrade_asked:
            self._is_upgrade_asked = False
            self.ask(upgrades=True)
            return
        reloads, self._is_reload_asked = self._is_reload_asked, False
        if self._control:
            # Before one more reload, which may succeed, a failed upgrade is told.
            self._control.answer(failure, (UPGRADE,) if reloads else (RELOAD, UPGRADE))
        if reloads:
            self.ask()

    def _finish(self, failure: Failure | None) -> None:
        """What is under way is over: counts and tells the result."""
        self._step = _Step.IDLE
        self._counters.last_reload_successful = failure is None
        if self._is_upgrade:
            failure = self._upgrade_settled(failure)
        else:
            self._reload_settled(failure)
        self._publish()
        sd_notify.tell("READY=1")
        self._status.tell()
        self._answer(failure)

    def _reload_settled(self, failure: Failure | None) -> None:
        if failure:
            self._counters.reloads_failed += 1
            self._log.write(messages.RELOAD_FAILED, reason=_in_a_line(failure))
        else:
            self._counters.reloads += 1
            self._log.write(messages.RELOADED, listen=self._succession.sockets)

    def _upgrade_settled(self, failure: Failure | None) -> Failure | None:
        self._is_upgrade = False
        before, self._upgraded_from = self._upgraded_from, None
        if failure and before:
            reason = (
                f"calcd {calcd.__version__} has taken over, but the settings and the listener of before stay"
            )
            failure = Failure(failure.status, f"{reason}: {failure}; put it right, and reload")
        if failure:
            self._counters.upgrades_failed += 1
            self._log.write(messages.UPGRADE_FAILED, reason=_in_a_line(failure))
        else:
            self._counters.upgrades += 1
            self._log.write(
                messages.UPGRADED,
                before=before,
                version=calcd.__version__,
                listen=self._succession.sockets,
                connections=self._counters.connections,
            )
        return failure


def _in_a_line(failure: Failure) -> str:
    return str(failure).replace("\n", "; ")


def needing_restart(old: Settings, new: Settings) -> tuple[str, ...]:
    """Returns the names of the settings that differ and that only a restart puts in force."""
    return tuple(
        setting.name
        for attribute, setting in ROWS.items()
        if not setting.reloadable and getattr(old, attribute) != getattr(new, attribute)
    )
