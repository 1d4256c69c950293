"""What the supervisor is still to be told, in the order in which it happened.

A connection that the log does not show, and that opens and ends between two looks, is told of in a sum: most
of what a short one costs listener and supervisor was to tell of it, and to hear of it, twice.
"""

from __future__ import annotations

from calcd.handler import report
from calcd.listener import packets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


# With more events than this that the supervisor has not taken yet, handlers are neither forked nor listened
# to, and those that report wait. So their memory is bounded (to about 20 MB) and none is ever dropped.
_MOST = 100_000


class Outbox:
    def __init__(self, *, sums_up: bool) -> None:
        """sums_up says that the log shows no connection which ends well."""
        self.events: list[bytes] = []
        self._sums_up = sums_up
        # Reports by handler, for as long as they may become part of the sum.
        self._opened: dict[int, bytes] = {}
        self._served = self._requests = self._received = self._sent = 0

    def __len__(self) -> int:
        return len(self.events) + len(self._opened) + self._served

    def is_overfull(self) -> bool:
        return len(self.events) > _MOST

    def tell(self, event: bytes) -> None:
        self.events.append(event)

    def accepted(self, handler: int, record: bytes) -> None:
        if self._sums_up:
            self._opened[handler] = record
        else:
            self.events.append(record)

    def ended(self, handler: int, record: bytes, fields: tuple[Any, ...]) -> None:
        """fields are what is packed in the record, a report."""
        # One that brought no byte is a probe, which the supervisor counts.
        if handler in self._opened and fields[4] in report.GOOD_ENDINGS and fields[6]:
            del self._opened[handler]
            self._served += 1
            self._requests += fields[5]
            self._received += fields[6]
            self._sent += fields[7]
        else:
            self.tell_of(handler, record)

    def tell_of(self, handler: int, event: bytes) -> None:
        """An event that says how the handler's connection went on."""
        if opened := self._opened.pop(handler, None):
            self.events.append(opened)
        self.events.append(event)

    def close_sum(self) -> None:
        """Puts what is still in the making among the events, which can then be sent."""
        if self._opened:
            self.events += self._opened.values()
            self._opened.clear()
        if self._served:
            self.events.append(packets.served(self._served, self._requests, self._received, self._sent))
            self._served = self._requests = self._received = self._sent = 0

    def clear(self) -> None:
        self.close_sum()
        self.events.clear()
