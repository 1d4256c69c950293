"""The counters of what has happened since calcd started."""

import dataclasses
import datetime


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
    reloads: int = 0
    listeners_lost: int = 0

    @property
    def opened(self) -> int:
        return self.connections + self.served

    def status(self) -> str:
        """The STATUS line of systemctl status."""
        plural = "" if self.connections == 1 else "s"
        return f"{self.connections} connection{plural} now, {self.served} served since {self.since}"
