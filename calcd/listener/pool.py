"""Keeps the state of every handler, and computes how many handlers to fork or to dismiss.

It forks and dismisses no handler itself, so its tests need no process.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Pool:
    """A handler waits, then serves, then waits again or leaves."""

    def __init__(self, spare: int, connections_per_handler: float) -> None:
        """spare is the number of handlers that shall wait ahead of need."""
        self._spare = spare
        self.is_reused = connections_per_handler > 1
        # Handlers are known by PID. One that serves has time.monotonic_ns() of its accept(2), and a source;
        # None as long as it waits for the header of a proxy, which names the client.
        self.serving: dict[int, tuple[int, str | None]] = {}
        self.waiting: set[int] = set()
        self.dismissed: set[int] = set()  # waited, and shall leave; a connection may come first
        self.leaving: set[int] = set()
        self._fewest_waiting = 0  # the smallest size of waiting since the last surplus()
        # Handlers that waited again after a connection, since the last mostly_return().
        self._returned: set[int] = set()
        self.unreplaced = 0  # handlers that left and may need a replacement; Staffing counts it down
        self.connections = 0  # accepted, in all
        self.are_killed = False  # by the listener: nobody is to blame for their ends

    def __len__(self) -> int:
        return len(self.waiting) + len(self.dismissed) + len(self.serving) + len(self.leaving)

    def __iter__(self) -> Iterator[int]:
        """Yields the PIDs of all handlers."""
        yield from self.waiting
        yield from self.dismissed
        yield from self.serving
        yield from self.leaving

    def states(self) -> tuple[int, int, int]:
        """Returns how many handlers may accept, how many serve, and how many of these await a header."""
        awaiting_header = sum(source is None for _, source in self.serving.values())
        return len(self.waiting) + len(self.dismissed), len(self.serving), awaiting_header

    def missing(self, room: float, is_wanted: bool) -> int:
        """Returns how many handlers to fork now, or, if negative, how many to dismiss.

        room is how many more connections are allowed. is_wanted says that a connection waits.

        Several handlers are forked at a time, and again when half of them are taken. A fork costs the
        listener the copying of its memory and page faults at its next writes. Forks that follow one another
        share these costs.
        """
        idle = len(self.waiting)
        if idle == 0 and is_wanted:
            wanted = max(1, self._spare)
        elif idle <= self._spare // 2:
            wanted = self._spare - idle
        else:
            wanted = 0
        return int(max(-idle, min(wanted, room - idle)))

    def surplus(self) -> int:
        """Returns how many handlers to dismiss: half of those that no connection needed since the last
        call."""
        unneeded = self._fewest_waiting - self._spare
        self._fewest_waiting = len(self.waiting)
        return (unneeded + 1) // 2 if unneeded > 0 else 0

    def mostly_return(self) -> bool:
        """Returns whether handlers mostly wait again after a connection.

        This counts the handlers that did so since the last call and still wait or serve. They are "most" if
        they are more than half of the number that serves now.
        """
        present = sum(handler in self.waiting or handler in self.serving for handler in self._returned)
        self._returned.clear()
        return present > len(self.serving) / 2

    def has_surplus(self) -> bool:
        return len(self.waiting) > self._spare

    def forked(self, handler: int) -> None:
        self.waiting.add(handler)

    def dismiss(self, handlers: int) -> None:
        """Marks this many waiting handlers as dismissed."""
        for _ in range(handlers):
            self.dismissed.add(self.waiting.pop())
        self._fewest_waiting = min(self._fewest_waiting, len(self.waiting))

    def may_accept(self, handler: int) -> bool:
        return handler in self.waiting or handler in self.dismissed

    def awaits_header(self, handler: int) -> bool:
        return self.serving.get(handler, (0, ""))[1] is None

    def accepted(self, handler: int, now: int, source: str | None) -> None:
        """A handler that may_accept() has accepted a connection, at now in ns."""
        self.waiting.discard(handler)
        self.dismissed.discard(handler)
        self.serving[handler] = now, source
        self.connections += 1
        self._fewest_waiting = min(self._fewest_waiting, len(self.waiting))

    def ended(self, handler: int, leaves: bool) -> None:
        """The connection that the handler serves has ended."""
        del self.serving[handler]
        # A hijacked handler may lie. It must not prevent the fork of another handler.
        if self.is_reused and not leaves:
            self.waiting.add(handler)
            self._returned.add(handler)
        else:
            self.leaving.add(handler)
            self.unreplaced += 1

    def waits_again(self, handler: int) -> None:
        """A handler that awaits_header() waits for it no longer, and may_accept()."""
        del self.serving[handler]
        self.waiting.add(handler)
        self.connections -= 1

    def left(self, handler: int) -> bool:
        """A handler that does not serve has ended and was reaped. Returns whether it could still accept, for
        all that the listener has done."""
        could_accept = self.may_accept(handler) and not self.are_killed
        if handler in self.waiting:
            self.unreplaced += 1
        for handlers in (self.waiting, self.dismissed, self.leaving):
            handlers.discard(handler)
        self._fewest_waiting = min(self._fewest_waiting, len(self.waiting))
        return could_accept
