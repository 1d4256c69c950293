"""The deadlines of a connection, as timeouts of its socket (SO_RCVTIMEO and SO_SNDTIMEO, socket(7)).

1.  The kernel keeps the time, so that no system call but read(2) and write(2) is made for a request.
2.  The shortest deadline is set before the first read, or inherited from the listening socket (prepare()).
    When it is over, the handler finds out which deadline is next, and waits for the rest of it.
3.  A stop of the daemon ends the wait in read(2) by the receive timeout too. The handler of SIGTERM shortens
    it. The interrupted read starts again (PEP 475), now with the new timeout. No exception is raised in the
    loop, so no received byte can be lost.
4.  A signal that arrives between Python's last check for signals and the system call does not interrupt that
    read. So the listener sends SIGTERM again and again while it drains.
5.  A write(2) that a signal interrupts before a byte is sent starts again too, with its full timeout: signals
    that come again and again would keep it waiting for good. So their handler looks at the time as well.
"""

from __future__ import annotations

import time
from _signal import SIGTERM
from _socket import SHUT_WR
from os import read, write

from calcd.handler import report
from calcd.linux.socket_timeouts import limit_receive, limit_send, receive_timeout, timeval
from calcd.linux.socket_view import SocketView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from calcd.settings.limits import Limits

# Seconds to wait for the client when calcd ends a connection: for the first request of a new connection, for
# the rest of a request that has begun, and for the client's half of the close.
_GRACE = 1.0
_DISCARDED_AT_ONCE = 64 * 1024  # bytes


class Deadlines:
    """What calcd.handler.session.Session knows of time."""

    __slots__ = (
        "_connection",
        "_cut_off",
        "_drained_by",
        "_frame_due",
        "_has_new_timeout",
        "_limits",
        "_pending",
        "_receive_timeout",
        "_received",
        "_send_due",
        "_sent",
        "_shortest_deadline",
        "_timevals",
        "_waited",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Seconds. After a read that waited for less, no deadline can be over.
        self._shortest_deadline = min(limits.first_byte_timeout, limits.frame_timeout, limits.idle_timeout)
        self._timevals = timeval(self._shortest_deadline), timeval(limits.send_timeout)
        self._connection = -1  # the file descriptor; -1 for none
        self._drained_by: float | None = None  # time.monotonic() by which calcd ends the connection
        self._cut_off = report.DRAINED  # the reason for that
        self._pending = b""  # of a request whose rest has not arrived; at the end, of one that had no answer
        self._frame_due = 0.0  # time.monotonic() by which the rest must arrive
        self._receive_timeout = self._shortest_deadline  # seconds: the one in force
        self._has_new_timeout = False  # the one in force is not the shortest deadline
        self._send_due = 0.0  # time.monotonic() by which a write must be over, if _drained_by is set
        self._waited = 0.0  # seconds that the client has been silent before the current read
        self._received = 0  # bytes
        self._sent = 0  # likewise

    def prepare(self, connection: int) -> None:
        """Sets the first deadlines of a connection, or, on a listening TCP socket, of all that it accepts.

        For TCP the listener calls it, because it would cost each handler pages of memory.
        """
        receive, send = self._timevals
        limit_receive(connection, receive)
        limit_send(connection, send)

    def drain(self, number: int, _frame: FrameType | None) -> None:
        """Handles SIGTERM, and SIGALRM at the end of a lifetime: the last request is answered."""
        if number != SIGTERM and self._connection == -1:
            return  # the connection has just ended
        now = time.monotonic()
        if self._drained_by is None:
            self._drained_by = now + _GRACE
            self._send_due = now + self._limits.send_timeout
            if number != SIGTERM:
                self._cut_off = report.LIFETIME_OVER
        if self._connection != -1:
            self._limit_receive(0)
            if now >= self._send_due:
                limit_send(self._connection, timeval(0))

    def forget(self) -> None:
        """Resets the state. Call it before the object serves another connection."""
        self._cut_off = report.DRAINED
        self._receive_timeout = self._shortest_deadline
        self._has_new_timeout = False
        self._waited = 0.0
        self._drained_by = None  # set by a lifetime that ended; after a stop, no connection follows

    def _await_rest(self, is_new: bool) -> int:
        """A part of a request has arrived. Sets the deadline for the rest. Returns the ending, or 0."""
        now = time.monotonic()
        if is_new:
            self._frame_due = now + self._limits.frame_timeout
        elif now < self._frame_due:
            self._set_timeout(self._frame_due - now)
        else:
            return report.FRAME_TIMEOUT
        return 0

    def _look_at_deadlines(self) -> int:
        """A read has timed out. Returns the ending, or 0 to wait on."""
        if self._drained_by is not None:
            return 0 if self._waits_on(self._drained_by) else self._cut_off
        if self._pending:
            left, ending = self._frame_due - time.monotonic(), report.FRAME_TIMEOUT
        else:
            if not self._has_new_timeout:
                # A reload may have set other deadlines on the listening socket, and the connection has these.
                self._receive_timeout = receive_timeout(self._connection)
            self._waited += self._receive_timeout
            if self._received:
                left, ending = self._limits.idle_timeout - self._waited, report.IDLE_TIMEOUT
            else:
                left, ending = self._limits.first_byte_timeout - self._waited, report.FIRST_BYTE_TIMEOUT
        if left <= 0:
            return ending
        self._set_timeout(left)
        return 0

    def _set_timeout(self, seconds: float | None) -> None:
        """Sets the time that a read may wait. None is the shortest deadline; the client's silence is over."""
        self._has_new_timeout = seconds is not None
        if seconds is None:
            seconds = self._shortest_deadline
            self._waited = 0.0
        self._receive_timeout = seconds
        self._limit_receive(seconds)

    def _waits_on(self, drained_by: float) -> bool:
        """While draining, waits on for a client that has sent a part of a request, or has just connected and
        is about to ask, until drained_by. Returns whether to wait."""
        left = drained_by - time.monotonic()
        if left <= 0 or not (self._pending or not self._sent):
            return False
        self._limit_receive(left)
        return True

    def _send(self, replies: bytes) -> None:
        """Sends the replies. Raises BlockingIOError if the client does not make room for all in time."""
        due = time.monotonic() + self._limits.send_timeout
        sent = 0
        while sent < len(replies):
            # A write(2) sends a part when its time is over, or when a signal interrupts its wait.
            if sent and time.monotonic() >= due:
                raise BlockingIOError
            written = write(self._connection, memoryview(replies)[sent:])
            sent += written
            self._sent += written

    def _linger(self) -> None:
        """Closes calcd's half of the connection, and waits for the client's half of the close.

        A close(2) with received bytes unread sends a reset at once, which discards the replies that are still
        on their way (RFC 2525, 2.17). So calcd closes its half, which the client sees behind the last reply,
        and reads and discards what still comes.
        """
        deadline = time.monotonic() + _GRACE
        try:
            with SocketView(self._connection) as connection:
                connection.shutdown(SHUT_WR)
            while (left := deadline - time.monotonic()) > 0:
                self._limit_receive(left)
                try:
                    if not read(self._connection, _DISCARDED_AT_ONCE):
                        break
                except BlockingIOError:
                    # The time is over. Or a signal came again: the read would start over with the full time.
                    pass
        except OSError:
            pass  # a reset: the client is gone

    def _limit_receive(self, seconds: float) -> None:
        """Makes each read(2) from now on fail with EAGAIN if it waits for longer than this."""
        limit_receive(self._connection, timeval(seconds))
