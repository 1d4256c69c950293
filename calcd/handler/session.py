"""One connection: read, compute, reply, until one side ends it.

The loop makes two system calls for a run of requests, read(2) and write(2), and no other:

1.  A lone request costs little more than those two: a poll(2) before each read would be felt.
2.  So the end of waiting, when the daemon stops, comes as a change of the socket's receive timeout
    (SO_RCVTIMEO, socket(7)): SIGTERM's handler sets it, and the read that the signal interrupted is
    started again (PEP 475), now under that timeout. No exception is thrown into the loop, so nothing
    that has been received can be lost.
3.  The deadlines of a connection are receive and send timeouts as well, so the kernel keeps the time.
    The shortest of them is set before the first read, or by the listening socket (prepare()); when that is
    over, the handler looks which deadline is next, and waits on for the rest of it.
4.  A signal that arrives between Python's last look and the system call leaves that read waiting.
    The listener sends SIGTERM again while it drains, and the next one interrupts it.
5.  It reads and writes the file descriptor itself. In a fresh handler each page of memory that is
    touched is a page fault and a copy, 2 to 4 us, and a socket object brings a dozen along.
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
from calcd.protocol import answers
from calcd.protocol.answers import answer, answer_one, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from calcd.settings.limits import Limits

# A lone request is read into a small buffer, which comes from memory that is in use already; who sends
# more than that at a time is read in large pieces from then on.
_SMALL_READ = 256
_LARGE_READ = 64 * 1024
# Seconds that a client is waited for when calcd ends a connection: for the first request of a fresh one,
# for the rest of a request that has begun, and for the client's half of the close.
_GRACE = 1.0
_REQUEST_SIZE, _REPLY_SIZE = answers.REQUEST.size, answers.REPLY.size
_ENDINGS = {
    answers.STOP_QUIT: report.QUIT,
    answers.STOP_DIVISION_BY_ZERO: report.DIVISION_BY_ZERO,
    answers.STOP_UNKNOWN_OPERATION: report.UNKNOWN_OPERATION,
}
_ENDED_BY_CLIENT = (report.QUIT, report.CLIENT_CLOSED, report.TRUNCATED)


class Session:
    """A connection from its first byte to its last.

    One object serves for all: made before the fork, its memory and its code are warm.
    """

    __slots__ = (
        "_connection",
        "_cut_off",
        "_drained_by",
        "_frame_due",
        "_is_stretched",
        "_limits",
        "_patience",
        "_pending",
        "_period",
        "_quota",
        "_requests",
        "_timevals",
        "_waited",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # No deadline is shorter: a read that waits for less needs no look at any.
        self._patience = min(limits.first_byte_timeout, limits.frame_timeout, limits.idle_timeout)
        self._timevals = timeval(self._patience), timeval(limits.send_timeout)
        self._connection = -1  # none: not yet, or no more
        self._drained_by: float | None = None  # time.monotonic(), once calcd ends the connection
        self._cut_off = report.DRAINED  # why it does
        self._pending = b""  # a request whose rest has not arrived; at the end, one that had no answer
        self._frame_due = 0.0  # time.monotonic() by which it has to
        self._period = self._patience  # seconds: the receive timeout in force
        self._is_stretched = False  # that is another one than at first
        self._waited = 0.0  # seconds that the client has been silent, before the read in hand
        self._requests = 0  # answered
        self._quota = None if limits.max_requests == math.inf else int(limits.max_requests)

    def prepare(self, connection: int) -> None:
        """Sets the first deadlines of a connection, or of all those that a TCP socket accepts from now on.
        Of TCP's, called by the listener: in a handler it costs pages of memory."""
        receive, send = self._timevals
        limit_receive(connection, receive)
        limit_send(connection, send)

    def drain(self, number: int, _frame: FrameType | None) -> None:
        """Handles SIGTERM, and SIGALRM at the end of a connection's lifetime: the request in hand is
        answered, then the connection is closed."""
        if number != SIGTERM and self._connection == -1:
            return  # the connection ended in that very moment
        if self._drained_by is None:
            self._drained_by = time.monotonic() + _GRACE
            if number != SIGTERM:
                self._cut_off = report.LIFETIME_OVER
        if self._connection != -1:
            self._limit_receive(0)

    def forget(self) -> None:
        """To be called before the object serves another connection."""
        self._cut_off = report.DRAINED
        self._period = self._patience
        self._is_stretched = False
        self._waited = 0.0
        self._drained_by = None  # the end of a lifetime; if calcd stops, there is no other connection

    def serve(self, connection: int) -> tuple[int, int, int, int, bytes]:
        """Serves the connection, a file descriptor, to its end and closes it.

        Returns how it ended, the requests answered, the bytes received, the bytes sent, and what there is
        of a request that had no answer.
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
                except BlockingIOError:  # the receive timeout: a deadline's, or drain() has ended the wait
                    if ending := self._look_at_deadlines(received):
                        break
                    continue
                length = len(data)
                received += length
                if length == _REQUEST_SIZE and has_no_quota and not (self._pending or self._is_stretched):
                    # What _take() comes to for a lone request, which has no time for it.
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
        except BlockingIOError:  # a write's: the time to send is over
            ending = report.SEND_TIMEOUT
            with SocketView(connection) as unsent:
                # Has close(2) discard what was not sent (socket(7)): the kernel would try for minutes to send
                # it.
                unsent.setsockopt(SOL_SOCKET, SO_LINGER, pack("@ii", 1, 0))
        except OSError as error:  # a reset, a time-out of the network's: the connection is gone
            # A reset is a way to close as well, that of health checks, if all that was asked is answered.
            is_answered = received == self._requests * _REQUEST_SIZE
            is_close = is_answered and isinstance(error, ConnectionResetError)
            ending = report.CLIENT_CLOSED if is_close else report.CONNECTION_LOST
        self._connection = -1
        close(connection)
        return ending, self._requests, received, self._requests * _REPLY_SIZE, self._pending

    def _take(self, data: bytes) -> int:
        """Answers the whole requests in data and keeps the rest; returns how the connection ends, or 0."""
        old = self._pending
        if old:
            data = old + data
            self._pending = b""
        if self._is_stretched:
            self._stretch(None)
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
        """Raises BlockingIOError when the client does not make room for all of them in time."""
        due = time.monotonic() + self._limits.send_timeout
        before = self._requests
        sent = 0
        while sent < len(replies):
            # In part when the time is over, or when a signal came while the client did not read.
            if sent and time.monotonic() >= due:
                raise BlockingIOError
            sent += write(self._connection, memoryview(replies)[sent:])
            self._requests = before + sent // _REPLY_SIZE

    def _stop(self, stop: int, unanswered: bytes) -> int:
        """The protocol ends the connection: one of answers.STOP_*, at the beginning of unanswered."""
        if stop != answers.STOP_QUIT:
            self._pending = unanswered[:_REQUEST_SIZE]
        elif len(unanswered) > _REQUEST_SIZE:
            self._linger()  # something follows the quit: it is not looked at, and must not reset the replies
        return _ENDINGS[stop]

    def _await_rest(self, is_new: bool) -> int:
        """A request has arrived in part: it has a deadline, or it is none; returns as _take()."""
        if len(self._pending) >= _REPLY_SIZE:  # no need to wait for the rest of a stranger's
            oper = int.from_bytes(self._pending[:_REPLY_SIZE], "little", signed=True)
            if not answers.ADD <= oper <= answers.QUIT:
                return report.UNKNOWN_OPERATION
        now = time.monotonic()
        if is_new:
            self._frame_due = now + self._limits.frame_timeout
        elif now < self._frame_due:
            self._stretch(self._frame_due - now)
        else:
            return report.FRAME_TIMEOUT
        return 0

    def _look_at_deadlines(self, received: int) -> int:
        """A read has waited for as long as it may: returns how the connection ends, or 0 to wait on."""
        if self._drained_by is not None:
            return 0 if self._waits_on(self._drained_by) else self._cut_off
        if self._pending:
            left, ending = self._frame_due - time.monotonic(), report.FRAME_TIMEOUT
        else:
            self._waited += self._period
            if received:
                left, ending = self._limits.idle_timeout - self._waited, report.IDLE_TIMEOUT
            else:
                left, ending = self._limits.first_byte_timeout - self._waited, report.FIRST_BYTE_TIMEOUT
        if left <= 0:
            return ending
        self._stretch(left)
        return 0

    def _stretch(self, seconds: float | None) -> None:
        """The next read may wait for so long; None for the first deadline again."""
        self._is_stretched = seconds is not None
        if seconds is None:
            seconds = self._patience
            self._waited = 0.0
        self._period = seconds
        self._limit_receive(seconds)

    def _waits_on(self, drained_by: float) -> bool:
        """While draining, a client is waited for that is owed an answer, or has just connected and is about
        to ask; and not longer than the grace."""
        left = drained_by - time.monotonic()
        if left <= 0 or not (self._pending or not self._requests):
            return False
        self._limit_receive(left)
        return True

    def _linger(self) -> None:
        """Waits for the client's half of the close, so that it gets every reply.

        A close(2) with received bytes unread sends a reset at once, which discards the replies that
        are still on their way (RFC 2525, 2.17). So calcd closes its half, which the client sees
        behind the last reply, and reads what still comes to nowhere.
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
                    # The time is over; or a reminder came, after which it would wait for all of it again.
                    pass
        except OSError:
            pass  # a reset: nobody is there to wait for

    def _limit_receive(self, seconds: float) -> None:
        """Lets a read(2) that waits fail with EAGAIN after so many seconds, from now on."""
        limit_receive(self._connection, timeval(seconds))
