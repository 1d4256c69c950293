"""One connection: read, compute, reply, until one side ends it.

The loop makes two system calls for a run of requests, read(2) and write(2), and no other:

1.  A lone request costs little more than those two: a poll(2) before each read would be felt.
2.  So the end of waiting, when the daemon stops, comes as a change of the socket's receive timeout
    (SO_RCVTIMEO, socket(7)): SIGTERM's handler sets it, and the read that the signal interrupted is
    started again (PEP 475), now under that timeout. No exception is thrown into the loop, so nothing
    that has been received can be lost.
3.  A signal that arrives between Python's last look and the system call leaves that read waiting.
    The listener sends SIGTERM again while it drains, and the next one interrupts it.
4.  It reads and writes the file descriptor itself. In a fresh handler each page of memory that is
    touched is a page fault and a copy, 2 to 4 us, and a socket object brings a dozen along.
"""

from __future__ import annotations

import time
from _socket import SHUT_WR, SO_RCVTIMEO, SOL_SOCKET
from os import close, read, write
from struct import pack

from calcd.borrowed import BorrowedSocket
from calcd.handler import report
from calcd.protocol import answers
from calcd.protocol.answers import answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

# A lone request is read into a small buffer, which comes from memory that is in use already; who sends
# more than that at a time is read in large pieces from then on.
_SMALL_READ = 256
_LARGE_READ = 64 * 1024
# Seconds that a drain waits for the client: for the first request of a fresh connection, for the rest
# of a request that has begun, and for the client's half of the close.
_GRACE = 1.0
_REQUEST_SIZE, _REPLY_SIZE = answers.REQUEST.size, answers.REPLY.size
_ENDINGS = {
    answers.STOP_QUIT: report.QUIT,
    answers.STOP_DIVISION_BY_ZERO: report.DIVISION_BY_ZERO,
    answers.STOP_UNKNOWN_OPERATION: report.UNKNOWN_OPERATION,
}
_CLOSED_BY_CALCD = (report.DIVISION_BY_ZERO, report.UNKNOWN_OPERATION, report.DRAINED)


class Session:
    """A connection from its first byte to its last.

    One object serves for all: made before the fork, its memory and its code are warm.
    """

    __slots__ = ("_connection", "_drained_by", "_pending", "_requests")

    def __init__(self) -> None:
        self._connection = -1  # none: not yet, or no more
        self._drained_by: float | None = None  # time.monotonic(), once the daemon stops
        self._pending = b""  # a request whose rest has not arrived
        self._requests = 0  # answered

    def drain(self, _signal: int, _frame: FrameType | None) -> None:
        """Handles SIGTERM: the request in hand is answered, then the connection is closed."""
        if self._drained_by is None:
            self._drained_by = time.monotonic() + _GRACE
        if self._connection != -1:
            self._limit_receive(0)

    def serve(self, connection: int) -> tuple[int, int, int, int]:
        """Serves the connection, a file descriptor, to its end and closes it.

        Returns how it ended, the requests answered, the bytes received, and the bytes sent.
        """
        self._connection = connection
        self._pending = b""
        self._requests = 0
        received = 0
        size = _SMALL_READ
        ending = report.DRAINED
        try:
            if self._drained_by is not None:
                self._limit_receive(0)
            while self._drained_by is None or time.monotonic() < self._drained_by:
                try:
                    data = read(connection, size)
                except BlockingIOError:  # drain() has ended the wait, and does again at every reminder
                    if not self._waits_on():
                        break
                    continue
                if not data:
                    ending = report.TRUNCATED if self._pending else report.CLIENT_CLOSED
                    break
                received += len(data)
                if len(data) == size:
                    size = _LARGE_READ
                stop = self._answer(data)
                if stop is not None:
                    ending = _ENDINGS[stop]
                    break
            if ending in _CLOSED_BY_CALCD:
                self._linger()
        except OSError:  # a reset, a time-out of the network's: whatever it is, the connection is gone
            ending = report.CONNECTION_LOST
        self._connection = -1
        close(connection)
        return ending, self._requests, received, self._requests * _REPLY_SIZE

    def _answer(self, data: bytes) -> int | None:
        """Answers the whole requests in data and keeps the rest; returns one of answers.STOP_*."""
        if self._pending:
            data = self._pending + data
            self._pending = b""
        rest = len(data) % _REQUEST_SIZE
        if rest:
            self._pending = data[-rest:]
        replies, stop = answer(memoryview(data)[:-rest] if rest else data)
        if replies:
            sent = write(self._connection, replies)
            while sent < len(replies):  # a signal came while the client did not read
                sent += write(self._connection, memoryview(replies)[sent:])
            self._requests += sent // _REPLY_SIZE
        if stop == answers.STOP_QUIT and len(data) > (len(replies) // _REPLY_SIZE + 1) * _REQUEST_SIZE:
            self._linger()  # something follows the quit: it is not looked at, and must not reset the replies
        return stop

    def _waits_on(self) -> bool:
        """While draining, a client is waited for that is owed an answer, or has just connected and is about
        to ask; and not longer than the grace."""
        left = (self._drained_by or 0) - time.monotonic()
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
            with BorrowedSocket(self._connection) as connection:
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
        """Lets every read(2) from now on fail with EAGAIN after so many seconds."""
        microseconds = max(int(seconds * 1e6), 1)  # 0 would mean for ever
        timeval = pack("@ll", *divmod(microseconds, 1_000_000))
        with BorrowedSocket(self._connection) as connection:
            connection.setsockopt(SOL_SOCKET, SO_RCVTIMEO, timeval)
