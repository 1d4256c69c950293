"""The counters of what has happened since calcd started."""

import dataclasses
import datetime

from calcd.protocol.resp.dialogue import ERROR_KINDS
from calcd.supervisor.events import Sums


def _now() -> str:
    return datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


@dataclasses.dataclass
class Counters:
    since: str = dataclasses.field(default_factory=_now)
    connections: int = 0  # open now
    served: int = 0  # connections that have ended, well or not
    requests: int = 0  # answered
    errors: int = 0  # connections that did not end well, with cut_off and strangers
    cut_off: int = 0  # connections that calcd ended at a limit or a deadline
    strangers: int = 0  # connections that did not speak the protocol
    probes: int = 0  # connections that their clients ended before they sent a byte
    checks: int = 0  # connections of proxies themselves, which no other counter counts when they have ended
    headers_refused: int = 0  # connections of proxies that came to nothing, likewise
    received: int = 0  # bytes
    sent: int = 0  # bytes
    error_replies: dict[str, int] = dataclasses.field(default_factory=dict)  # by kind
    # Connections that have ended, by what was spoken.
    protocols: dict[str, int] = dataclasses.field(default_factory=dict)
    reloads: int = 0
    reloads_failed: int = 0
    last_reload_successful: bool = True
    upgrades: int = 0
    upgrades_failed: int = 0
    listeners_lost: int = 0
    handlers_killed: int = 0  # or ended by a defect
    # Connections that have ended, by how they did, as calcd.supervisor.counts.connections calls it.
    endings: dict[str, int] = dataclasses.field(default_factory=dict)
    # By the name of the limit's setting: connections closed right after accept(2), which no other counter
    # counts, and times that the limit was reached.
    refused_by_limit: dict[str, int] = dataclasses.field(default_factory=dict)
    reached_by_limit: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def refused(self) -> int:
        return sum(self.refused_by_limit.values())

    @property
    def limits_reached(self) -> int:
        return sum(self.reached_by_limit.values())

    def in_log(self) -> dict[str, object]:
        """The fields of the line that SIGUSR1 asks for: no dict is among them."""
        plain = {name: value for name, value in vars(self).items() if not isinstance(value, dict)}
        return {**plain, "refused": self.refused, "limits_reached": self.limits_reached}

    @property
    def opened(self) -> int:
        return self.connections + self.served + self.checks

    def add(self, sums: Sums) -> None:
        self.requests += sums.requests
        self.received += sums.received
        self.sent += sums.sent
        if any(sums.error_replies):
            for kind, times in zip(ERROR_KINDS, sums.error_replies, strict=True):
                self.error_replies[kind] += times

    def status(self) -> str:
        """The STATUS line of systemctl status."""
        plural = "" if self.connections == 1 else "s"
        return f"{self.connections} connection{plural} now, {self.served} served since {self.since}"
