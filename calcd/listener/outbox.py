"""The events that are still to be sent to the supervisor, in the order in which they happened.

A connection becomes part of a sum if the log does not show it and it opens and ends between two sends. Two
events for each were most of what a short connection cost the listener and the supervisor.
"""

from __future__ import annotations

from calcd.handler import report
from calcd.listener import packets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


# If more events than this are unsent, the listener forks no handlers and reads no reports, and handlers that
# report wait. So the memory of the events is bounded (to about 20 MB), and no event is ever dropped.
_MAX_EVENTS = 100_000


class Outbox:
    def __init__(self, *, sums_up: bool) -> None:
        """sums_up says that the log does not show connections that end well."""
        self.events: list[bytes] = []
        self._sums_up = sums_up
        # ACCEPTED reports by handler, of connections that may become part of the sum.
        self._opened: dict[int, bytes] = {}
        self._served = self._requests = self._received = self._sent = 0

    def __len__(self) -> int:
        return len(self.events) + len(self._opened) + self._served

    def is_overfull(self) -> bool:
        return len(self.events) > _MAX_EVENTS

    def tell(self, event: bytes) -> None:
        self.events.append(event)

    def accepted(self, handler: int, record: bytes) -> None:
        if self._sums_up:
            self._opened[handler] = record
        else:
            self.events.append(record)

    def ended(self, handler: int, record: bytes, fields: tuple[Any, ...]) -> None:
        """A handler has reported the end of its connection. fields are those of the record."""
        # The supervisor counts a connection that brought no byte: a probe.
        if handler in self._opened and fields[4] in report.GOOD_ENDINGS and fields[6]:
            del self._opened[handler]
            self._served += 1
            self._requests += fields[5]
            self._received += fields[6]
            self._sent += fields[7]
        else:
            self.tell_of(handler, record)

    def tell_of(self, handler: int, event: bytes) -> None:
        """Adds an event about the handler's connection, behind the one that says that it opened."""
        if opened := self._opened.pop(handler, None):
            self.events.append(opened)
        self.events.append(event)

    def close_sum(self) -> None:
        """Adds the sum, and the connections that have opened and not ended, to the events to be sent."""
        if self._opened:
            self.events += self._opened.values()
            self._opened.clear()
        if self._served:
            self.events.append(packets.served(self._served, self._requests, self._received, self._sent))
            self._served = self._requests = self._received = self._sent = 0

    def clear(self) -> None:
        self.close_sum()
        self.events.clear()
