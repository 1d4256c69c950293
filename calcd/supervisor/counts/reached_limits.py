"""Logs and counts when limits are reached and when they are over, and shows them in the status line."""

import dataclasses
import time
from collections.abc import Iterable
from typing import NamedTuple

from calcd.listener import admission
from calcd.log import messages
from calcd.log.log import Log
from calcd.settings.table import ROWS, Settings
from calcd.supervisor.counts.counters import Counters
from calcd.supervisor.events import Limit

_ATTRIBUTES = {
    admission.FULL: "max_connections",
    admission.TOO_MANY: "max_connections_per_source",
    admission.TOO_FAST: "max_rate_per_source",
    admission.UNTRUSTED: "proxy_sources",
}
# What is said when a limit is reached, and when it is over.
_OF_SOURCE = messages.SOURCE_REFUSED, messages.SOURCE_ADMITTED
_MESSAGES = {
    admission.FULL: (messages.FULL, messages.NO_LONGER_FULL),
    admission.TOO_MANY: _OF_SOURCE,
    admission.TOO_FAST: _OF_SOURCE,
    admission.UNTRUSTED: (messages.UNTRUSTED_PROXY, messages.UNTRUSTED_PROXY_GONE),
}


def _name(which: int) -> str:
    """Returns the name of a limit's setting."""
    return ROWS[_ATTRIBUTES[which]].name


class _Key(NamedTuple):
    listener: int  # its PID
    which: int  # calcd.listener.admission
    source: str


@dataclasses.dataclass
class Reached:
    """A limit that is reached at present."""

    listener: int  # its PID
    which: int  # calcd.listener.admission
    source: str
    setting: str  # with its value
    began: float  # time.monotonic()
    affected: int = 0  # connections

    @property
    def key(self) -> _Key:
        return _Key(self.listener, self.which, self.source)


def _with_value(settings: Settings, which: int) -> str:
    setting = ROWS[_ATTRIBUTES[which]]
    return f"{setting.name}={setting.format(getattr(settings, _ATTRIBUTES[which]))}"


class ReachedLimits:
    def __init__(self, log: Log, counters: Counters, present: Iterable[Reached]) -> None:
        """present is what handed_over() has returned to the supervisor before."""
        self._log = log
        self._counters = counters
        refusing = [which for which in _ATTRIBUTES if which != admission.FULL]
        counters.reached_by_limit = dict.fromkeys(map(_name, _ATTRIBUTES), 0) | counters.reached_by_limit
        counters.refused_by_limit = dict.fromkeys(map(_name, refusing), 0) | counters.refused_by_limit
        # By what an event names, and in order: a flood has thousands of sources.
        self._present = {reached.key: reached for reached in present}

    def handed_over(self) -> list[Reached]:
        return list(self._present.values())

    def take(self, listener: int, settings: Settings, event: Limit) -> None:
        """Takes an event of the listener that has this PID and these settings."""
        key = _Key(listener, event.which, event.source)
        reached = self._present.get(key)
        if reached is None:
            reached = Reached(*key, _with_value(settings, event.which), time.monotonic())
            self._present[key] = reached
            message, _ = _MESSAGES[event.which]
            self._log.write(message, setting=reached.setting, source=event.source)
            self._counters.reached_by_limit[_name(event.which)] += 1
        reached.affected += event.affected
        if event.which != admission.FULL:
            self._counters.refused_by_limit[_name(event.which)] += event.affected
        if event.is_over:
            self._over(reached)

    def listener_ended(self, listener: int) -> None:
        for reached in [reached for reached in self.handed_over() if reached.listener == listener]:
            self._over(reached)

    def _over(self, reached: Reached) -> None:
        del self._present[reached.key]
        _, message = _MESSAGES[reached.which]
        self._log.write(
            message,
            setting=reached.setting,
            source=reached.source,
            duration=f"{time.monotonic() - reached.began:.0f}",
            affected=reached.affected,
        )

    def status(self) -> str:
        """Returns the end of the STATUS line of systemctl status."""
        present = self._present.values()
        full = {reached.setting for reached in present if reached.which == admission.FULL}
        refused = {reached.source for reached in present if reached.which != admission.FULL}
        parts = [f"{setting} reached, new connections wait" for setting in sorted(full)]
        if refused:
            parts.append(f"refusing connections of {len(refused)} source{'' if len(refused) == 1 else 's'}")
        return "".join(f"; {part}" for part in parts)
