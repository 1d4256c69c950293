"""What the supervisor has to remember when it goes on as another program, besides what it holds open.

Each part of the supervisor changes its own piece. Whatever else is in memory can be read or made anew.
"""

import dataclasses
import time

from calcd.supervisor.counts.counters import Counters
from calcd.supervisor.counts.reached_limits import Reached
from calcd.supervisor.events import Sums, Unconfined


@dataclasses.dataclass
class Memory:
    counters: Counters = dataclasses.field(default_factory=Counters)
    # What the counters have already of connections that go on, by number.
    counted: dict[int, Sums] = dataclasses.field(default_factory=dict)
    reached: list[Reached] = dataclasses.field(default_factory=list)  # limits, at the last handover
    unconfined: Unconfined | None = None  # what was logged last of the seccomp filters
    # What the log tells of already: kinds of events that are not known, and files that are gone.
    not_known: list[int] = dataclasses.field(default_factory=list)
    files_gone: list[str] = dataclasses.field(default_factory=list)
    # When the service was started: time.time() and time.monotonic().
    started: float = dataclasses.field(default_factory=time.time)
    began: float = dataclasses.field(default_factory=time.monotonic)
    serving_since: float = 0.0  # time.monotonic(): the current listener
    delay: float = 0.1  # seconds before the listener that is started next, if this one dies
