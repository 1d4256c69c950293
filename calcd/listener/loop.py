"""The listener's loop: accept, fork a handler, reap it, tell the supervisor.

It sleeps in one epoll, and every source of events has a method that takes what is there. All that the
listener knows of a connection is its handler's PID and when it was accepted.
"""

import contextlib
import errno
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from calcd.handler import process
from calcd.handler.report import Inbox
from calcd.listener import peers
from calcd.listener.events import (
    PACKET_SIZE,
    Alive,
    Command,
    Ended,
    Event,
    Opened,
    Ready,
    Trouble,
    encode,
)
from calcd.signals import SignalPipe
from calcd.timers import Timers
from calcd.title import Title

SIGNALS = (signal.SIGCHLD, signal.SIGTERM)

# Seconds between two SIGTERMs to handlers that are draining: calcd.handler.session, 3.
_REMINDER = 0.1
# Seconds without accepting when the system is out of what accept(2) or fork(2) needs: trying again at
# once would spin, and exiting would end what is still served. One event in ten seconds tells of it.
_PAUSE = 0.1
_TROUBLE_INTERVAL = 10.0
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# What accept(2) says of a connection that is gone before it could be returned ("Error handling").
_CONNECTION_GONE = frozenset(
    {
        errno.EAGAIN,
        errno.ECONNABORTED,
        errno.EPERM,
        errno.EPROTO,
        errno.ENETDOWN,
        errno.ENOPROTOOPT,
        errno.EHOSTDOWN,
        errno.ENONET,
        errno.EHOSTUNREACH,
        errno.EOPNOTSUPP,
        errno.ENETUNREACH,
    }
)
# The most that a listen(2) of calcd's lets wait.
_MAX_BACKLOG = 4096
# Events that the supervisor has not taken yet; with more than that, accepting waits for it. So their
# memory is bounded (to about 20 MB) and none is ever dropped.
_MAX_UNSENT = 100_000


class _Arrival(NamedTuple):
    """A connection that has no handler yet."""

    connection: socket.socket
    peer: str
    accepted: int  # time.monotonic_ns()


class Listener:
    def __init__(
        self,
        *,
        sockets: Sequence[socket.socket],
        supervisor: socket.socket,
        reports: tuple[int, int],
        signals: SignalPipe,
        has_successor: bool,
        drain_time: float,
        title: Title,
    ) -> None:
        """sockets listen, supervisor is this end of the pair, reports both ends of the handlers' pipe,
        drain_time in seconds. SIGNALS go to the signal pipe. has_successor says that the sockets are
        systemd's: what waits in their backlog when this listener drains, the next calcd will serve."""
        self._sockets = sockets
        self._supervisor = supervisor
        reading_end, self._reports_for_handlers = reports
        self._reports = Inbox(reading_end)
        self._signals = signals
        self._has_successor = has_successor
        self._drain_time = drain_time
        self._title = title
        self._arrival: _Arrival | None = None
        self._accepted: dict[int, int] = {}  # handler's PID: _Arrival.accepted
        self._unsent: deque[bytes] = deque()
        self._pauses = 0
        self._is_polling = False
        self._is_leaving = False
        self._is_alone = False  # the supervisor has died
        self._timers = Timers()
        self._selector = selectors.EpollSelector()

    def run(self) -> None:
        """Serves until it is told to leave, or left alone, and every handler has ended."""
        for listening in self._sockets:
            listening.setblocking(False)
        self._supervisor.setblocking(False)
        self._selector.register(self._signals.reading_end, selectors.EVENT_READ, self._take_signals)
        self._selector.register(self._supervisor, selectors.EVENT_READ, self._take_commands)
        self._tell(Ready())
        while not self._is_leaving or self._arrival or self._accepted or self._unsent:
            self._poll_sockets(self._may_accept())
            for key, _ in self._selector.select(self._timers.timeout()):
                key.data()
            self._timers.run_due()

    # Connections arrive ---------------------------------------------------------------------------

    def _may_accept(self) -> bool:
        """Otherwise the kernel keeps new connections in the backlog."""
        return not (
            self._is_leaving
            or self._arrival
            or self._timers.is_set("pause")
            or len(self._unsent) > _MAX_UNSENT
        )

    def _poll_sockets(self, wanted: bool) -> None:
        if wanted == self._is_polling:
            return
        for listening in self._sockets:
            if wanted:
                self._selector.register(listening, selectors.EVENT_READ, partial(self._accept, listening))
            else:
                self._selector.unregister(listening)
        self._is_polling = wanted

    def _accept(self, listening: socket.socket) -> bool:
        """Takes one connection and gives it a handler; False when that can't be."""
        if not self._may_accept():  # any more: another source of the same round said so
            return False
        try:
            connection, address = listening.accept()
        except OSError as error:
            if error.errno in _OUT_OF_RESOURCES:
                self._pause(error.errno, "accept")
            elif error.errno not in _CONNECTION_GONE:
                raise
            return False
        self._arrival = _Arrival(connection, peers.name(connection, address), time.monotonic_ns())
        self._fork()
        return self._arrival is None

    def _fork(self) -> None:
        """Gives the connection that has arrived a handler, or keeps it for another try."""
        assert self._arrival  # noqa: S101 - for the type checker
        connection, peer, accepted = self._arrival
        # Until the child has dispositions of its own, a signal to it would be taken for the listener's.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            handler = os.fork()
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self._pause(error.errno or errno.EAGAIN, "fork")
            return
        if handler == 0:
            process.run(connection, peer, self._reports_for_handlers, self._title, self._not_for_handlers())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        connection.close()
        self._arrival = None
        self._accepted[handler] = accepted
        self._tell(Opened(handler, peer))

    def _not_for_handlers(self) -> list[int]:
        return [
            *(listening.fileno() for listening in self._sockets),
            self._supervisor.fileno(),
            self._reports.pipe,
            *self._signals.ends,
            self._selector.fileno(),
        ]

    def _pause(self, error: int, call: str) -> None:
        self._pauses += 1
        self._timers.set("pause", _PAUSE, self._go_on)
        if not self._timers.is_set("trouble"):
            self._tell_trouble(error, call)

    def _go_on(self) -> None:
        if self._arrival:
            self._fork()

    def _tell_trouble(self, error: int, call: str) -> None:
        if self._pauses:
            self._tell(Trouble(error, self._pauses, call))
            self._pauses = 0
            self._timers.set("trouble", _TROUBLE_INTERVAL, partial(self._tell_trouble, error, call))

    # Handlers end -----------------------------------------------------------------------------------

    def _take_signals(self) -> None:
        signals = self._signals.read()
        if signal.SIGTERM in signals:
            self._drain()
        if signal.SIGCHLD in signals:
            self._reap()

    def _reap(self) -> None:
        """Waits for every handler that has ended: one SIGCHLD can stand for many."""
        with contextlib.suppress(ChildProcessError):
            while (child := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                handler, status = child
                accepted = self._accepted.pop(handler, None)
                if accepted is not None:  # else somebody's who exec'd: reaped, and not blamed
                    microseconds = (time.monotonic_ns() - accepted) // 1000
                    self._tell(Ended(handler, status, microseconds, self._reports.take(handler)))

    # The supervisor ---------------------------------------------------------------------------------

    def _take_commands(self) -> None:
        """Also sends what could not be sent before: called when the socket is readable or writable."""
        try:
            packet = self._supervisor.recv(PACKET_SIZE)
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self._go_on_alone()
            return
        else:
            if not packet:
                self._go_on_alone()
                return
            command = packet[0]
            if command == Command.PING:
                self._tell(Alive())
            elif command == Command.RETIRE:
                self._leave()
            elif command == Command.DRAIN:
                self._drain()
        self._send_unsent()

    def _tell(self, event: Event) -> None:
        """Never waits: what the supervisor can't take now is kept for later."""
        if not self._is_alone:
            self._unsent.append(encode(event))
            self._send_unsent()

    def _send_unsent(self) -> None:
        if self._is_alone:
            return
        try:
            while self._unsent:
                self._supervisor.send(self._unsent[0])
                self._unsent.popleft()
        except BlockingIOError:
            wanted = selectors.EVENT_READ | selectors.EVENT_WRITE
        except (BrokenPipeError, ConnectionResetError):
            self._go_on_alone()
            return
        else:
            wanted = selectors.EVENT_READ
        if self._selector.get_key(self._supervisor).events != wanted:
            self._selector.modify(self._supervisor, wanted, self._take_commands)

    def _go_on_alone(self) -> None:
        """The supervisor has died: serve what is in hand, and leave the rest to its successor."""
        if not self._is_alone:
            self._is_alone = True
            self._selector.unregister(self._supervisor)
            self._unsent.clear()
            self._drain()

    # Leaving -----------------------------------------------------------------------------------------

    def _leave(self) -> None:
        """Accepts no more; the sockets are closed at once, so that nobody waits in their backlog for
        a listener that will not come, and their addresses are free."""
        if not self._is_leaving:
            if not self._has_successor:
                self._accept_backlog()
            self._is_leaving = True
            self._poll_sockets(False)
            for listening in self._sockets:
                listening.close()
            self._sockets = ()

    def _drain(self) -> None:
        if not self._timers.is_set("drained"):
            self._leave()
            self._timers.set("drained", self._drain_time, self._kill)
            self._remind()

    def _accept_backlog(self) -> None:
        """Takes who has connected already: closing the sockets would reset them, requests and all."""
        for listening in self._sockets:
            for _ in range(_MAX_BACKLOG):  # nobody can keep it here by connecting for ever
                if not self._accept(listening):
                    break

    def _remind(self) -> None:
        """Sends SIGTERM to every handler, by the process group that they share with the listener."""
        os.killpg(0, signal.SIGTERM)
        self._timers.set("reminder", _REMINDER, self._remind)

    def _kill(self) -> None:
        for handler in self._accepted:
            os.kill(handler, signal.SIGKILL)
