"""One connection: read, compute, reply, until one side ends it.

The loop makes two system calls for a run of requests, recv(2) and send(2), and no other:

1.  A lone request costs little more than those two: a poll(2) before each recv would be felt.
2.  So the end of waiting, when the daemon stops, comes as a change of the socket's receive timeout
    (SO_RCVTIMEO, socket(7)): SIGTERM's handler sets it, and the recv that the signal interrupted is
    started again (PEP 475), now under that timeout. No exception is thrown into the loop, so nothing
    that has been received can be lost.
3.  A signal that arrives between Python's last look and the system call leaves that recv waiting.
    The listener sends SIGTERM again while it drains, and the next one interrupts it.
"""

import contextlib
import os
import socket
import struct
import time
from types import FrameType

from calcd.handler.report import Ending, Report
from calcd.protocol import classic

# A pipelining client fills what a read can take; a lone request is not slowed down by the room.
_READ_SIZE = 64 * 1024
# Seconds that a drain waits for the client: for the first request of a fresh connection, for the rest
# of a request that has begun, and for the client's half of the close.
_GRACE = 1.0
_ENDINGS = {
    classic.Stop.QUIT: Ending.QUIT,
    classic.Stop.DIVISION_BY_ZERO: Ending.DIVISION_BY_ZERO,
    classic.Stop.UNKNOWN_OPERATION: Ending.UNKNOWN_OPERATION,
}


class Session:
    """A connection from its first byte to its last."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._drained_by: float | None = None  # time.monotonic(), once the daemon stops
        self._is_closed = False
        self._pending = b""  # a request whose rest has not arrived
        self._requests = 0
        self._received = 0
        self._sent = 0

    def drain(self, _signal: int, _frame: FrameType | None) -> None:
        """Handles SIGTERM: the request in hand is answered, then the connection is closed."""
        if self._is_closed:
            return
        if self._drained_by is None:
            self._drained_by = time.monotonic() + _GRACE
        self._limit_receive(0)

    def serve(self) -> Report:
        """Serves the connection to its end, closes it and reports."""
        try:
            ending = self._converse()
        except OSError:  # a reset, a time-out of the network's: whatever it is, the connection is gone
            ending = Ending.CONNECTION_LOST
        self._is_closed = True
        self._connection.close()
        return Report(os.getpid(), ending, self._requests, self._received, self._sent)

    def _is_in_hand(self) -> bool:
        """A client is owed an answer, or has just connected and is about to ask."""
        return bool(self._pending) or not self._requests

    def _converse(self) -> Ending:
        while self._drained_by is None or time.monotonic() < self._drained_by:
            try:
                chunk = self._connection.recv(_READ_SIZE)
            except BlockingIOError:  # drain() has ended the wait, and does again at every reminder
                left = (self._drained_by or 0) - time.monotonic()
                if left <= 0 or not self._is_in_hand():
                    break
                self._limit_receive(left)
                continue
            if not chunk:
                return Ending.TRUNCATED if self._pending else Ending.CLIENT_CLOSED
            self._received += len(chunk)
            data = self._pending + chunk
            whole = len(data) - len(data) % classic.REQUEST.size
            replies, stop = classic.answer(memoryview(data)[:whole])
            self._pending = data[whole:]
            if replies:
                self._connection.sendall(replies)
                self._sent += len(replies)
                self._requests += len(replies) // classic.REPLY.size
            if stop is not None:
                answered = len(replies) // classic.REPLY.size
                nothing_follows = len(data) == (answered + 1) * classic.REQUEST.size
                if stop != classic.Stop.QUIT or not nothing_follows:
                    self._linger()
                return _ENDINGS[stop]
        self._linger()
        return Ending.DRAINED

    def _linger(self) -> None:
        """Waits for the client's half of the close, so that it gets every reply.

        A close(2) with received bytes unread sends a reset at once, which discards the replies that
        are still on their way (RFC 2525, 2.17). So calcd closes its half, which the client sees
        behind the last reply, and reads what still comes to nowhere.
        """
        deadline = time.monotonic() + _GRACE
        with contextlib.suppress(OSError):  # a reset: nobody is there to wait for
            self._connection.shutdown(socket.SHUT_WR)
            while (left := deadline - time.monotonic()) > 0:
                self._limit_receive(left)
                # The time is over; or a reminder came, after which recv would wait for all of it again.
                with contextlib.suppress(BlockingIOError):
                    if not self._connection.recv(_READ_SIZE):
                        break

    def _limit_receive(self, seconds: float) -> None:
        """Lets every recv(2) from now on fail with EAGAIN after so many seconds."""
        microseconds = max(int(seconds * 1e6), 1)  # 0 would mean for ever
        timeval = struct.pack("@ll", *divmod(microseconds, 1_000_000))
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
