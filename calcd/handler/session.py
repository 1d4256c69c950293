"""Serves one connection: read, compute, reply, until one side ends it.

For a run of requests, the loop makes two system calls, read(2) and write(2), and no other:

1.  A single request costs little more than these two calls, so a poll(2) before each read would cost much.
2.  So a stop of the daemon ends the wait in read(2) by the socket's receive timeout (SO_RCVTIMEO, socket(7)).
    The handler of SIGTERM shortens the timeout. The interrupted read starts again (PEP 475), now with the new
    timeout. No exception is raised in the loop, so no received byte can be lost.
3.  The deadlines of a connection are receive and send timeouts too, so the kernel keeps the time. The
    shortest deadline is set before the first read, or inherited from the listening socket (prepare()). When
    it is over, the handler finds out which deadline is next, and waits for the rest of it.
4.  A signal that arrives between Python's last check for signals and the system call does not interrupt that
    read. So the listener sends SIGTERM again and again while it drains.
5.  The loop reads and writes the file descriptor directly. In a fresh handler, each page of memory that is
    touched costs a page fault and a copy, 2 to 4 us. A socket object would touch a dozen pages.
"""

from __future__ import annotations

import math
import time
from _signal import SIGTERM
from _socket import SHUT_WR, SO_LINGER, SOL_SOCKET
from os import close, read, write
from struct import pack

from calcd.handler import report
from calcd.linux.socket_timeouts import limit_receive, limit_send, timeval
from calcd.linux.socket_view import SocketView
from calcd.protocol import calculator
from calcd.protocol.calculator import answer, answer_one, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from calcd.settings.limits import Limits

# Bytes. A single request is read into a small buffer, for which memory that is in use already suffices. A
# client that once fills this buffer is read in large pieces from then on.
_SMALL_READ = 256
_LARGE_READ = 64 * 1024
# Seconds to wait for the client when calcd ends a connection: for the first request of a new connection, for
# the rest of a request that has begun, and for the client's half of the close.
_GRACE = 1.0
_REQUEST_SIZE, _REPLY_SIZE = calculator.REQUEST.size, calculator.REPLY.size
_ENDINGS = {
    calculator.STOP_QUIT: report.QUIT,
    calculator.STOP_DIVISION_BY_ZERO: report.DIVISION_BY_ZERO,
    calculator.STOP_UNKNOWN_OPERATION: report.UNKNOWN_OPERATION,
}
_ENDED_BY_CLIENT = (report.QUIT, report.CLIENT_CLOSED, report.TRUNCATED)


class Session:
    """One object serves all connections: it is made before the fork, so its memory and its code are warm."""

    __slots__ = (
        "_connection",
        "_cut_off",
        "_drained_by",
        "_frame_due",
        "_has_new_timeout",
        "_limits",
        "_pending",
        "_quota",
        "_receive_timeout",
        "_requests",
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
        self._pending = b""  # a request whose rest has not arrived; at the end, one that had no answer
        self._frame_due = 0.0  # time.monotonic() by which the rest must arrive
        self._receive_timeout = self._shortest_deadline  # seconds: the one in force
        self._has_new_timeout = False  # the one in force is not the shortest deadline
        self._waited = 0.0  # seconds that the client has been silent before the current read
        self._requests = 0  # answered
        self._quota = None if limits.max_requests == math.inf else int(limits.max_requests)

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
        if self._drained_by is None:
            self._drained_by = time.monotonic() + _GRACE
            if number != SIGTERM:
                self._cut_off = report.LIFETIME_OVER
        if self._connection != -1:
            self._limit_receive(0)

    def forget(self) -> None:
        """Resets the state. Call it before the object serves another connection."""
        self._cut_off = report.DRAINED
        self._receive_timeout = self._shortest_deadline
        self._has_new_timeout = False
        self._waited = 0.0
        self._drained_by = None  # set by a lifetime that ended; after a stop, no connection follows

    def serve(self, connection: int) -> tuple[int, int, int, int, bytes]:
        """Serves the connection, a file descriptor, to its end and closes it.

        Returns the ending (calcd.handler.report), the requests answered, the bytes received, the bytes sent,
        and the bytes of a request that had no answer.
        """
        self._connection = connection
        self._pending = b""
        self._requests = 0
        received = 0
        size = _SMALL_READ
        ending = 0
        has_no_quota = self._quota is None
        try:
            if self._drained_by is not None:
                self._limit_receive(0)
            while self._drained_by is None or time.monotonic() < self._drained_by:
                try:
                    data = read(connection, size)
                except BlockingIOError:  # the receive timeout, of a deadline or set by drain()
                    if ending := self._look_at_deadlines(received):
                        break
                    continue
                length = len(data)
                received += length
                if length == _REQUEST_SIZE and has_no_quota and not (self._pending or self._has_new_timeout):
                    # A faster way to do what _take() does, for a single request.
                    if reply := answer_one(data):
                        write(connection, reply)
                        self._requests += 1
                        continue
                    ending = self._stop(reason(data), data)
                    break
                if not data:
                    ending = report.TRUNCATED if self._pending else report.CLIENT_CLOSED
                    break
                if length == size:
                    size = _LARGE_READ
                if ending := self._take(data):
                    break
            if ending not in _ENDED_BY_CLIENT:
                ending = ending or self._cut_off
                self._linger()
        except BlockingIOError:  # the send timeout of a write
            ending = report.SEND_TIMEOUT
            # close(2) discards what was not sent (socket(7)). Else the kernel tries for minutes to send it.
            with SocketView(connection) as unsent:
                unsent.setsockopt(SOL_SOCKET, SO_LINGER, pack("@ii", 1, 0))
        except OSError as error:  # for example a reset, or a timeout of TCP: the connection is gone
            # If all is answered, a reset is the way of health checks to close.
            is_answered = received == self._requests * _REQUEST_SIZE
            is_close = is_answered and isinstance(error, ConnectionResetError)
            ending = report.CLIENT_CLOSED if is_close else report.CONNECTION_LOST
        self._connection = -1
        close(connection)
        return ending, self._requests, received, self._requests * _REPLY_SIZE, self._pending

    def _take(self, data: bytes) -> int:
        """Answers the whole requests in data and keeps the rest. Returns the ending, or 0 to go on."""
        old = self._pending
        if old:
            data = old + data
            self._pending = b""
        if self._has_new_timeout:
            self._set_timeout(None)
        rest = len(data) % _REQUEST_SIZE
        whole = len(data) - rest
        if whole:
            is_last = False
            if self._quota is not None and self._requests + whole // _REQUEST_SIZE >= self._quota:
                whole = (self._quota - self._requests) * _REQUEST_SIZE
                is_last = True
            replies, stop = answer(data if whole == len(data) else memoryview(data)[:whole])
            if replies:
                self._send(replies)
            if stop is not None:
                return self._stop(stop, data[len(replies) // _REPLY_SIZE * _REQUEST_SIZE :])
            if is_last:
                return report.REQUEST_LIMIT
        if rest:
            self._pending = data[whole:]
            return self._await_rest(is_new=whole > 0 or not old)
        return 0

    def _send(self, replies: bytes) -> None:
        """Sends the replies. Raises BlockingIOError if the client does not make room for all in time."""
        due = time.monotonic() + self._limits.send_timeout
        before = self._requests
        sent = 0
        while sent < len(replies):
            # A write(2) sends a part when its time is over, or when a signal interrupts its wait.
            if sent and time.monotonic() >= due:
                raise BlockingIOError
            sent += write(self._connection, memoryview(replies)[sent:])
            self._requests = before + sent // _REPLY_SIZE

    def _stop(self, stop: int, unanswered: bytes) -> int:
        """The protocol ends the connection. stop is one of calculator.STOP_*, the reason. unanswered begins
        with the request that caused it. Returns the ending."""
        if stop != calculator.STOP_QUIT:
            self._pending = unanswered[:_REQUEST_SIZE]
        elif len(unanswered) > _REQUEST_SIZE:
            self._linger()  # bytes follow the quit: they are ignored, and must not cause a reset
        return _ENDINGS[stop]

    def _await_rest(self, is_new: bool) -> int:
        """A part of a request has arrived. Sets the deadline for the rest, unless its operation is unknown.
        Returns as _take()."""
        if len(self._pending) >= _REPLY_SIZE:  # a stranger's operation is known before the rest comes
            oper = int.from_bytes(self._pending[:_REPLY_SIZE], "little", signed=True)
            if not calculator.ADD <= oper <= calculator.QUIT:
                return report.UNKNOWN_OPERATION
        now = time.monotonic()
        if is_new:
            self._frame_due = now + self._limits.frame_timeout
        elif now < self._frame_due:
            self._set_timeout(self._frame_due - now)
        else:
            return report.FRAME_TIMEOUT
        return 0

    def _look_at_deadlines(self, received: int) -> int:
        """A read has timed out. Returns the ending, or 0 to wait on."""
        if self._drained_by is not None:
            return 0 if self._waits_on(self._drained_by) else self._cut_off
        if self._pending:
            left, ending = self._frame_due - time.monotonic(), report.FRAME_TIMEOUT
        else:
            self._waited += self._receive_timeout
            if received:
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
        if left <= 0 or not (self._pending or not self._requests):
            return False
        self._limit_receive(left)
        return True

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
                    if not read(self._connection, _LARGE_READ):
                        break
                except BlockingIOError:
                    # The time is over. Or a signal came again: the read would start over with the full time.
                    pass
        except OSError:
            pass  # a reset: the client is gone

    def _limit_receive(self, seconds: float) -> None:
        """Makes each read(2) from now on fail with EAGAIN if it waits for longer than this."""
        limit_receive(self._connection, timeval(seconds))
