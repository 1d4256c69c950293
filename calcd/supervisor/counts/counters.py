"""What has happened since the start, in numbers."""

import dataclasses
import datetime


def _now() -> str:
    return datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


@dataclasses.dataclass
class Counters:
    since: str = dataclasses.field(default_factory=_now)
    connections: int = 0  # open now
    served: int = 0  # ended, in whatever way
    requests: int = 0  # answered
    errors: int = 0  # connections that ended otherwise than both sides meant, the next two included
    cut_off: int = 0  # connections that calcd ended at a limit or a deadline
    strangers: int = 0  # connections that did not speak the protocol
    probes: int = 0  # connections that their clients ended before they sent a byte
    refused: int = 0  # connections closed when they were accepted; they count nowhere else
    limits_reached: int = 0  # how often
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
