"""What INFO and the metrics are made of."""

import dataclasses

from calcd.supervisor.counts.counters import Counters


@dataclasses.dataclass
class Facts:
    """Times are in seconds, memory is in bytes."""

    counters: Counters
    max_connections: float
    port: int  # the first of TCP, or 0
    pid: int
    started: float  # time.time()
    uptime: float
    system: str  # its name, version and machine
    python: str
    memory: int
    cpu_of_user: float
    cpu_of_system: float
    listeners: int
    waiting: int  # handlers
    serving: int  # likewise
    log_lost: int  # messages
