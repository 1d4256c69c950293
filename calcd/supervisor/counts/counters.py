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
    refused: int = 0  # connections closed right after accept(2), which no other counter counts
    limits_reached: int = 0  # times that a limit was reached
    received: int = 0  # bytes
    sent: int = 0  # bytes
    error_replies: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(ERROR_KINDS, 0))
    # Connections that have ended, by what was spoken.
    protocols: dict[str, int] = dataclasses.field(
        default_factory=lambda: {"classic": 0, "resp": 0, "none": 0}
    )
    reloads: int = 0
    listeners_lost: int = 0

    @property
    def opened(self) -> int:
        return self.connections + self.served

    def add(self, sums: Sums) -> None:
        self.requests += sums.requests
        self.received += sums.received
        self.sent += sums.sent
        for kind, times in zip(ERROR_KINDS, sums.error_replies, strict=True):
            self.error_replies[kind] += times

    def status(self) -> str:
        """The STATUS line of systemctl status."""
        plural = "" if self.connections == 1 else "s"
        return f"{self.connections} connection{plural} now, {self.served} served since {self.since}"
