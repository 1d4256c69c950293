"""Logs and counts when limits are reached and when they are over, and shows them in the status line."""

import time
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


class _Reached:
    def __init__(self, settings: Settings, which: int) -> None:
        setting = ROWS[_ATTRIBUTES[which]]
        self.setting = f"{setting.name}={setting.format(getattr(settings, _ATTRIBUTES[which]))}"
        self.began = time.monotonic()
        self.affected = 0  # connections


class ReachedLimits:
    def __init__(self, log: Log, counters: Counters) -> None:
        self._log = log
        self._counters = counters
        counters.reached_by_limit = dict.fromkeys(map(_name, _ATTRIBUTES), 0)
        counters.refused_by_limit = dict.fromkeys(
            (_name(which) for which in _ATTRIBUTES if which != admission.FULL), 0
        )
        self._present: dict[_Key, _Reached] = {}

    def take(self, listener: int, settings: Settings, event: Limit) -> None:
        """Takes an event of the listener that has this PID and these settings."""
        key = _Key(listener, event.which, event.source)
        reached = self._present.get(key)
        if reached is None:
            reached = self._present[key] = _Reached(settings, event.which)
            message, _ = _MESSAGES[event.which]
            self._log.write(message, setting=reached.setting, source=event.source)
            self._counters.reached_by_limit[_name(event.which)] += 1
        reached.affected += event.affected
        if event.which != admission.FULL:
            self._counters.refused_by_limit[_name(event.which)] += event.affected
        if event.is_over:
            self._over(key)

    def listener_ended(self, listener: int) -> None:
        for key in [key for key in self._present if key.listener == listener]:
            self._over(key)

    def _over(self, key: _Key) -> None:
        reached = self._present.pop(key)
        _, message = _MESSAGES[key.which]
        self._log.write(
            message,
            setting=reached.setting,
            source=key.source,
            duration=f"{time.monotonic() - reached.began:.0f}",
            affected=reached.affected,
        )

    def status(self) -> str:
        """Returns the end of the STATUS line of systemctl status."""
        full = {reached.setting for key, reached in self._present.items() if key.which == admission.FULL}
        refused = {key.source for key in self._present if key.which != admission.FULL}
        parts = [f"{setting} reached, new connections wait" for setting in sorted(full)]
        if refused:
            parts.append(f"refusing connections of {len(refused)} source{'' if len(refused) == 1 else 's'}")
        return "".join(f"; {part}" for part in parts)
