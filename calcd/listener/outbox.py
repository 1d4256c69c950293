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
_NO_ERRORS = (0, 0, 0, 0)


class Outbox:
    def __init__(self, *, sums_up: bool, tells_progress: bool) -> None:
        """sums_up says that the log does not show connections that end well. tells_progress says that the
        supervisor knows of progress."""
        self.events: list[bytes] = []
        self._sums_up = sums_up
        self._tells_progress = tells_progress
        # ACCEPTED reports by handler, of connections that may become part of the sum.
        self._opened: dict[int, bytes] = {}
        # The last PROGRESS report by handler: each has the sums of those before it. So neither a supervisor
        # that hangs nor a handler that is hijacked makes many events of them.
        self._going_on: dict[int, bytes] = {}
        # By protocol and ending: connections, requests, bytes received, bytes sent, error replies by kind.
        self._sums: dict[tuple[int, int], list[int]] = {}

    def __len__(self) -> int:
        return len(self.events) + len(self._opened) + len(self._going_on) + len(self._sums)

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
            self._going_on.pop(handler, None)
            key = fields[9], fields[4]
            sums = self._sums.get(key)
            if sums is None:
                self._sums[key] = [1, *fields[5:8], *fields[10:]]
            else:
                sums[0] += 1
                sums[1] += fields[5]
                sums[2] += fields[6]
                sums[3] += fields[7]
                if fields[10:] != _NO_ERRORS:
                    sums[4:] = [a + b for a, b in zip(sums[4:], fields[10:], strict=True)]
        else:
            self.tell_of(handler, record)

    def progress(self, handler: int, record: bytes) -> None:
        """A handler has reported the sums of a connection that goes on."""
        if self._tells_progress:
            self._going_on[handler] = record

    def tell_of(self, handler: int, event: bytes) -> None:
        """Adds an event about the handler's connection, behind those that say that it opened and went on."""
        if opened := self._opened.pop(handler, None):
            self.events.append(opened)
        if progress := self._going_on.pop(handler, None):
            self.events.append(progress)
        self.events.append(event)

    def close_sum(self) -> None:
        """Adds the sum, and the connections that have opened or gone on and not ended, to the events to be
        sent."""
        if self._opened:
            self.events += self._opened.values()
            self._opened.clear()
        if self._going_on:
            self.events += self._going_on.values()
            self._going_on.clear()
        if self._sums:
            self.events += [packets.served(*key, sums) for key, sums in self._sums.items()]
            self._sums.clear()

    def clear(self) -> None:
        self.close_sum()
        self.events.clear()
