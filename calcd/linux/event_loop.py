"""An event loop that waits for file descriptors and timers: epoll(7).

Python's selectors module imports enum and collections: 2 MB that every fork of the listener would pay for.
"""

from __future__ import annotations

import time
from select import EPOLLIN, EPOLLOUT, epoll

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EPOLLIN", "EPOLLOUT", "EventLoop", "Timers"]

# The most events that epoll_wait(2) returns at once. Python's default, 1,023, takes a buffer of three pages.
_MOST_EVENTS = 16


class Timers:
    """Named timers, each of which runs once."""

    def __init__(self) -> None:
        self._timers: dict[str, tuple[float, Callable[[], object]]] = {}

    def set(self, name: str, seconds: float, action: Callable[[], object]) -> None:
        """Calls action once, this many seconds from now. A timer that is set already is replaced."""
        self._timers[name] = time.monotonic() + seconds, action

    def set_once(self, name: str, seconds: float, action: Callable[[], object]) -> None:
        """As set(), but does not change a timer that is set already."""
        if name not in self._timers:
            self.set(name, seconds, action)

    def cancel(self, name: str) -> None:
        self._timers.pop(name, None)

    def is_set(self, name: str) -> bool:
        return name in self._timers

    def timeout(self) -> float | None:
        """Returns the seconds until the next timer is due, or None if none is set, as epoll takes it."""
        if not self._timers:
            return None
        return max(0.0, min(when for when, _ in self._timers.values()) - time.monotonic())

    def run_due(self) -> None:
        now = time.monotonic()
        for name, (when, action) in list(self._timers.items()):
            if when <= now and self._timers.get(name) == (when, action):
                del self._timers[name]
                action()


class EventLoop:
    def __init__(self) -> None:
        self.timers = Timers()
        self._epoll = epoll()
        self._actions: dict[int, Callable[[], object]] = {}  # by file descriptor

    def fileno(self) -> int:
        return self._epoll.fileno()

    def watch(self, fd: int, action: Callable[[], object], events: int = EPOLLIN) -> None:
        """Calls action whenever the file descriptor is ready. Does nothing if it is watched already."""
        if fd not in self._actions:
            self._epoll.register(fd, events)
            self._actions[fd] = action

    def change(self, fd: int, events: int) -> None:
        """Watches for other events than before."""
        self._epoll.modify(fd, events)

    def ignore(self, fd: int) -> None:
        """Ends watch(). Call it before the file descriptor is closed. Does nothing if it is not watched."""
        if fd in self._actions:
            self._epoll.unregister(fd)
            del self._actions[fd]

    def turn(self) -> None:
        """Waits once, and calls the actions of what is ready or due."""
        actions, timers = self._actions, self.timers
        timeout = timers.timeout()
        for fd, _ in self._epoll.poll(timeout, _MOST_EVENTS):
            if fd in actions:  # an earlier action may have ended the watch
                actions[fd]()
        if timeout is not None:
            timers.run_due()
