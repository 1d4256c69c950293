"""Which listeners there are, and what each of them is at present."""

from collections.abc import Iterator

from calcd.supervisor.held.listener_process import ListenerProcess


class Roster:
    """A listener is a candidate until it says Ready; then it is the current one, until the next is; then it
    retires. One that is dead is orphaned, for as long as handlers of its are not."""

    def __init__(self) -> None:
        self.alive: dict[int, ListenerProcess] = {}  # by PID, whatever they are
        self.orphaned: list[ListenerProcess] = []
        self.current: ListenerProcess | None = None
        self.candidate: ListenerProcess | None = None

    def __iter__(self) -> Iterator[ListenerProcess]:
        """All whose connections are still served."""
        yield from self.alive.values()
        yield from self.orphaned

    def accepting(self) -> Iterator[ListenerProcess]:
        """Those that let connections in, or soon will."""
        yield from (listener for listener in (self.current, self.candidate) if listener)

    def is_empty(self) -> bool:
        return not (self.alive or self.orphaned)
