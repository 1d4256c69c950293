"""Serves one connection: read, compute, reply, until one side ends it.

1.  For a run of requests, the loop makes two system calls, read(2) and write(2), and no other. A single
    request costs little more than these two calls, so a poll(2) before each read would cost much. The
    deadlines are timeouts of the socket: calcd.handler.deadlines.
2.  The loop reads and writes the file descriptor directly. In a fresh handler, each page of memory that is
    touched costs a page fault and a copy, 2 to 4 us. A socket object would touch a dozen pages.
3.  The first byte tells the protocol: 0 to 4 is a classic operation, and a text is RESP. A single classic
    request is answered within the loop, before the protocol is looked at: it touches the least memory.
"""

from __future__ import annotations

import math
from _socket import SO_LINGER, SOL_SOCKET
from os import close, read, write
from struct import pack
from time import monotonic, monotonic_ns

from calcd.handler import report
from calcd.handler.deadlines import Deadlines
from calcd.linux.socket_view import SocketView
from calcd.protocol import calculator
from calcd.protocol.calculator import answer, answer_one, reason
from calcd.protocol.resp import dialogue
from calcd.protocol.resp.dialogue import Dialogue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from calcd.settings.limits import Limits

    # The ending (calcd.handler.report), the requests answered, the bytes received, the bytes sent, the bytes
    # of a request that had no answer, the protocol, and error replies by kind.
    Outcome = tuple[int, int, int, int, bytes, int, *tuple[int, ...]]

# Bytes. A single request is read into a small buffer, for which memory that is in use already suffices. A
# client that once fills this buffer is read in large pieces from then on.
_SMALL_READ = 256
_LARGE_READ = 64 * 1024
_REQUEST_SIZE, _REPLY_SIZE = calculator.REQUEST.size, calculator.REPLY.size
_LAST_OPERATION = calculator.QUIT
# Without, and with a part of a request before it.
_CLOSED = report.CLIENT_CLOSED, report.TRUNCATED
_ENDINGS = {
    calculator.STOP_QUIT: report.QUIT,
    calculator.STOP_DIVISION_BY_ZERO: report.DIVISION_BY_ZERO,
    calculator.STOP_UNKNOWN_OPERATION: report.UNKNOWN_OPERATION,
}
_RESP_ENDINGS = {
    dialogue.ENDED_QUIT: report.QUIT,
    dialogue.ENDED_PROTOCOL_ERROR: report.PROTOCOL_ERROR,
    dialogue.ENDED_STRANGER: report.STRANGER,
    dialogue.ENDED_QUOTA: report.REQUEST_LIMIT,
}
# Endings behind which nothing waits for the client's half of the close.
_CLOSED_AT_ONCE = (report.QUIT, report.CLIENT_CLOSED, report.TRUNCATED, report.STRANGER)
# What a RESP client is told if calcd ends the connection while a command waits for its rest.
_REFUSALS = {
    report.FRAME_TIMEOUT: "FrameTimeout= is over before the command is complete",
    report.LIFETIME_OVER: "ConnectionLifetime= is over",
    report.DRAINED: "calcd stops",
}
# The first bytes of RESP: an array, a line, or an empty line.
_BEGINS_RESP = frozenset({*b"\r\n\t", *range(0x20, 0x7F)})
# Nanoseconds between two reports of a connection that goes on.
_PROGRESS_INTERVAL = 1_000_000_000


class Session(Deadlines):
    """One object serves all connections: it is made before the fork, so its memory and its code are warm."""

    __slots__ = (
        "_commands",
        "_dialogue",
        "_first",
        "_is_classic",
        "_owes_replies",
        "_peer",
        "_progress_due",
        "_protocol",
        "_protocols",
        "_quota",
        "_take",
        "_tell_progress",
    )

    def __init__(
        self, limits: Limits, dialogue: Dialogue, tell_progress: Callable[[tuple[int, ...]], object]
    ) -> None:
        """dialogue answers RESP. tell_progress is called about once a second while the client asks, with the
        sums so far: requests answered, bytes received, bytes sent, and error replies by kind."""
        super().__init__(limits)
        self._dialogue = dialogue
        self._tell_progress = tell_progress
        self._progress_due = 0  # time.monotonic_ns()
        self._commands = 0  # of RESP, answered
        self._owes_replies = False  # to commands of RESP that have arrived
        self._protocols = ""  # that are spoken where the connection came from
        self._peer = b""
        self._first = b""  # bytes that were read before serve(): calcd.handler.proxied
        # Takes what was read. Returns the ending, or 0 to go on.
        self._take = self._take_first
        self._is_classic = False
        self._protocol = report.NOTHING
        self._quota = None if limits.max_requests == math.inf else int(limits.max_requests)

    def serve(self, connection: int, protocols: str, peer: bytes) -> Outcome:
        """Serves the connection, a file descriptor, to its end and closes it.

        protocols has the names of those that are spoken here. peer is the client's name in the log.
        """
        self._connection = connection
        self._pending, self._received, self._sent = b"", 0, 0
        self._protocol = report.NOTHING
        self._protocols, self._peer = protocols, peer
        self._take = self._take_first
        self._is_classic = self._quota is None and "classic" in protocols  # as far as is known
        self._progress_due = monotonic_ns() + _PROGRESS_INTERVAL
        first, size = self._first, _SMALL_READ
        ending = 0
        try:
            if self._drained_by is not None:
                self._limit_receive(0)
            while self._drained_by is None or monotonic() < self._drained_by:
                try:
                    data = first or read(connection, size)
                    first = b""
                except BlockingIOError:  # the receive timeout, of a deadline or set by drain()
                    if ending := self._look_at_deadlines():
                        break
                    continue
                length = len(data)
                self._received += length
                is_single = (
                    length == _REQUEST_SIZE
                    and self._is_classic
                    and not (self._pending or self._has_new_timeout)
                )
                # A faster way to do what _take_classic() does, for a single request.
                if is_single and (reply := answer_one(data)):
                    write(connection, reply)
                    self._sent += _REPLY_SIZE
                elif is_single and (self._sent or data[0] <= _LAST_OPERATION):
                    ending = self._stop(reason(data), data)
                    break
                else:
                    if length == size:
                        size = _LARGE_READ
                    if ending := self._take(data) if data else _CLOSED[bool(self._pending)]:
                        break
                if monotonic_ns() >= self._progress_due:
                    self._report_progress()
            ending = self._end(ending or self._cut_off)
        except BlockingIOError:  # the send timeout of a write
            ending = report.SEND_TIMEOUT
            # close(2) discards what was not sent (socket(7)). Else the kernel tries for minutes to send it.
            with SocketView(connection) as unsent:
                unsent.setsockopt(SOL_SOCKET, SO_LINGER, pack("@ii", 1, 0))
        except OSError as error:  # for example a reset, or a timeout of TCP: the connection is gone
            # If all is answered, a reset is the way of health checks to close.
            is_close = isinstance(error, ConnectionResetError) and self._is_answered()
            ending = report.CLIENT_CLOSED if is_close else report.CONNECTION_LOST
        self._connection = -1
        close(connection)
        requests, received, sent, *errors = self._sums()
        protocol = self._protocol or (report.CLASSIC if sent else report.NOTHING)
        return ending, requests, received, sent, self._pending, protocol, *errors

    def _take_first(self, data: bytes) -> int:
        """Takes the first bytes that the loop has not answered itself. Returns as _take."""
        if not self._sent and "resp" in self._protocols and data[0] in _BEGINS_RESP:
            self._protocol = report.RESP
            self._is_classic = False
            self._commands = 0
            self._dialogue.begin(self._quota, self._peer)
            self._take = self._take_resp
        elif "classic" in self._protocols:
            if self._sent or data[0] <= _LAST_OPERATION:
                self._protocol = report.CLASSIC
            self._take = self._take_classic
        else:
            self._take = self._refuse
        return self._take(data)

    def _report_progress(self) -> None:
        self._progress_due = monotonic_ns() + _PROGRESS_INTERVAL
        self._tell_progress(self._sums())

    def _sums(self) -> tuple[int, ...]:
        if self._protocol == report.RESP:
            return self._commands, self._received, self._sent, *self._dialogue.errors
        return self._sent // _REPLY_SIZE, self._received, self._sent, 0, 0, 0, 0

    def _is_answered(self) -> bool:
        if self._protocol == report.RESP:
            return not (self._owes_replies or self._pending)
        return self._received == self._sent // _REPLY_SIZE * _REQUEST_SIZE

    def _end(self, ending: int) -> int:
        """Does what comes before the close. Returns the ending that is reported."""
        lingers = ending not in _CLOSED_AT_ONCE
        if self._protocol == report.RESP:
            # Behind a QUIT, bytes may follow: they are ignored, and must not cause a reset.
            lingers |= ending == report.QUIT
            if self._dialogue.is_stranger or ending == report.STRANGER:
                ending = report.STRANGER
                self._pending = self._dialogue.first
            elif self._pending and ending in _REFUSALS:
                self._send(self._dialogue.refusal(_REFUSALS[ending]))
        if lingers:
            self._linger()
        return ending

    # RESP -----------------------------------------------------------------------------------------

    def _take_resp(self, data: bytes) -> int:
        """Answers the whole commands that have arrived. Returns the ending, or 0 to go on."""
        dialogue = self._dialogue
        if self._has_new_timeout:
            self._set_timeout(None)
        before = self._commands
        self._owes_replies = True
        dialogue.receive(data)
        while replies := dialogue.replies():
            self._send(replies)
            self._commands = dialogue.commands
            # One read can hold hundreds of portions, and a client may take its time for each.
            if monotonic_ns() >= self._progress_due:
                self._report_progress()
            if self._drained_by is not None and monotonic() >= self._drained_by:
                return self._cut_off
        self._owes_replies = False
        had_begun = bool(self._pending)
        self._pending = dialogue.pending
        if dialogue.ending:
            return _RESP_ENDINGS[dialogue.ending]
        if self._pending:
            return self._await_rest(is_new=not had_begun or self._commands > before)
        return 0

    # Classic --------------------------------------------------------------------------------------

    def _take_classic(self, data: bytes) -> int:
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
            if self._quota is not None:
                left = self._quota - self._sent // _REPLY_SIZE
                is_last = whole // _REQUEST_SIZE >= left
                if is_last:
                    whole = left * _REQUEST_SIZE
            replies, stop = answer(data if whole == len(data) else memoryview(data)[:whole])
            if replies:
                self._send(replies)
            if stop is not None:
                return self._stop(stop, data[len(replies) // _REPLY_SIZE * _REQUEST_SIZE :])
            if is_last:
                return report.REQUEST_LIMIT
        if rest:
            self._pending = data[whole:]
            if len(self._pending) >= _REPLY_SIZE:  # a stranger's operation is known before the rest comes
                oper = int.from_bytes(self._pending[:_REPLY_SIZE], "little", signed=True)
                if not calculator.ADD <= oper <= calculator.QUIT:
                    return report.UNKNOWN_OPERATION
            return self._await_rest(is_new=whole > 0 or not old)
        return 0

    def _stop(self, stop: int, unanswered: bytes) -> int:
        """The protocol ends the connection. stop is one of calculator.STOP_*, the reason. unanswered begins
        with the request that caused it. Returns the ending."""
        self._protocol = report.CLASSIC
        if stop != calculator.STOP_QUIT:
            self._pending = unanswered[:_REQUEST_SIZE]
        elif len(unanswered) > _REQUEST_SIZE:
            self._linger()  # bytes follow the quit: they are ignored, and must not cause a reset
        return _ENDINGS[stop]

    def _refuse(self, data: bytes) -> int:
        """The client speaks the classic protocol where it is not spoken."""
        self._pending = data[:_REQUEST_SIZE]
        return report.UNKNOWN_OPERATION
