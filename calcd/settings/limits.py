"""The settings that limit something, as numbers for a listener and its handlers.

A listener gets them once, when it is started, and never changes them: a reload starts another listener.
math.inf stands for no limit.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Limits:
    """Times are in seconds, and memory in bytes."""

    NAMES = (
        "max_connections",
        "max_connections_per_source",
        "max_rate_per_source",
        "max_requests",
        "connections_per_handler",
        "first_byte_timeout",
        "frame_timeout",
        "idle_timeout",
        "send_timeout",
        "proxy_timeout",
        "connection_lifetime",
        "handler_cpu_time",
        "handler_memory",
    )
    __slots__ = NAMES

    max_connections: float
    max_connections_per_source: float
    max_rate_per_source: float  # in a second
    max_requests: float
    connections_per_handler: float
    first_byte_timeout: float
    frame_timeout: float
    idle_timeout: float
    send_timeout: float
    proxy_timeout: float
    connection_lifetime: float
    handler_cpu_time: float
    handler_memory: float

    def __init__(self, given: Mapping[str, str | float]) -> None:
        """given maps NAMES to a number or the text of one. One that a supervisor from before an upgrade does
        not know is no limit. Other names in it are ignored."""
        for name in self.NAMES:
            setattr(self, name, float(given.get(name, math.inf)))

    def of(self, *names: str) -> Limits:
        """Returns only the limits with these names. The others are math.inf."""
        return Limits(dict.fromkeys(self.NAMES, math.inf) | {name: getattr(self, name) for name in names})
