"""Scrapes of the metrics: the listener accepts them itself, and forks a process for each.

1.  The metrics have sockets of their own. Handlers do not accept from these: with one socket more, they would
    have to wait in an epoll (calcd.handler.acceptor).
2.  Scrapes are no connections: they are neither counted nor logged, and no limit is for them but _MOST. So
    calcd tells how it is also when it is full, and while it stops.
3.  The listener accepts and never reads. Whatever a client does, it costs one of a few processes that end
    after some seconds.
"""

from __future__ import annotations

import errno
import os

from calcd.linux import signals
from calcd.linux.fork import fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Iterable, Sequence

    from calcd.handler.scrape import Scrape
    from calcd.linux.event_loop import EventLoop
    from calcd.listener.troubles import Troubles

# The most scrapes at a time. Further ones wait in the backlog.
_MOST = 4
# Seconds between two looks for processes that have ended: one SIGCHLD can stand for several.
_CHECK_INTERVAL = 0.2
# Seconds without accepting after accept(2) has failed: trying again at once would spin.
_PAUSE = 1.0
# Seconds that scrapes have when the listener is about to end.
_GRACE = 1.0


class Scrapes:
    def __init__(
        self,
        *,
        sockets: Sequence[socket],
        scrape: Scrape,
        loop: EventLoop,
        troubles: Troubles,
        inherited: Callable[[], Iterable[int]],
    ) -> None:
        """sockets are the listening ones. inherited returns the file descriptors that no scrape needs."""
        self._sockets = sockets
        self._scrape = scrape
        self._loop = loop
        self._troubles = troubles
        self._inherited = inherited
        self._has_left = False
        self._processes: set[int] = set()  # their PIDs

    def open(self) -> None:
        for listening in self._sockets:
            # Another listener may be faster.
            listening.setblocking(False)
        self._watch()

    def leave(self) -> None:
        """Accepts no more: another listener does. The sockets stay open, because the next handlers that are
        forked close them by number."""
        self._ignore()
        self._has_left = True

    def close_if_left(self) -> None:
        """Closes the sockets after leave(), when no handler will be forked. A reload may have given one up:
        then the address is free, although this listener has connections still. Who waits there is reset."""
        if self._has_left:
            for listening in self._sockets:
                listening.close()
            self._sockets = ()

    def close(self) -> bool:
        """Leaves and closes, when no handler will be forked. Call it until it returns True: that all scrapes
        are over. One that is not over in _GRACE is cut off, so that it does not hold up a stop."""
        self.leave()
        self.close_if_left()
        if self._processes:
            self._loop.timers.set_once("last scrapes", _GRACE, self._kill)
        return not self._processes

    def _kill(self) -> None:
        self.reap()  # the PID of one that was reaped may be another process's
        for pid in self._processes:
            os.kill(pid, signals.SIGKILL)

    def reap(self) -> None:
        """Reaps the processes that have ended."""
        for pid in list(self._processes):
            try:
                is_over = os.waitpid(pid, os.WNOHANG) != (0, 0)
            except ChildProcessError:  # it was reaped with others
                is_over = True
            if is_over:
                self._processes.discard(pid)
        if self._processes:
            self._loop.timers.set_once("scrapes", _CHECK_INTERVAL, self.reap)
        if len(self._processes) < _MOST:
            self._watch()

    def _watch(self) -> None:
        if not (self._has_left or self._loop.timers.is_set("no scrapes")):
            for listening in self._sockets:
                self._loop.watch(listening.fileno(), self._taking(listening))

    def _ignore(self) -> None:
        for listening in self._sockets:
            self._loop.ignore(listening.fileno())

    def _taking(self, listening: socket) -> Callable[[], None]:
        return lambda: self._take(listening)

    def _take(self, listening: socket) -> None:
        try:
            # It makes no socket object; typeshed does not know it.
            connection, _ = listening._accept()  # type: ignore[attr-defined]
        except (BlockingIOError, ConnectionError):  # another listener was faster, or the client has left
            return
        except OSError as error:
            self._pause(error, "accept")
            return
        try:
            pid = fork()
        except OSError as error:
            os.close(connection)
            self._pause(error, "fork")
            return
        if pid == 0:
            self._scrape.run(connection, self._inherited())
        os.close(connection)
        self._processes.add(pid)
        self._loop.timers.set_once("scrapes", _CHECK_INTERVAL, self.reap)
        if len(self._processes) == _MOST:
            self._ignore()

    def _pause(self, error: OSError, call: str) -> None:
        self._troubles.note(error.errno or errno.EAGAIN, call)
        self._ignore()
        self._loop.timers.set("no scrapes", _PAUSE, self._watch)
