"""What is fuzzed: each target takes any bytes, and raises AssertionError when calcd does with them what it
should not."""

from __future__ import annotations

import contextlib
import ipaddress
import math
import os
import signal
import socket
import struct
import time
from collections.abc import Callable

from fuzz import inputs, model, proxy_model
from fuzz.counts import Counts
from fuzz.model import Conversation
from support.exchange import exchange
from support.processes import DEADLINE

from calcd.handler import deadlines, report
from calcd.handler import session as sessions
from calcd.handler.peers import host_of
from calcd.handler.session import Session
from calcd.handler.sources import Sources
from calcd.listener import packets
from calcd.log.log import Log
from calcd.log.messages import Message
from calcd.protocol import calculator
from calcd.protocol.foreign import looks_like, shown
from calcd.protocol.proxy_header import HeaderError, parse
from calcd.protocol.resp.dialogue import Dialogue
from calcd.settings.limits import Limits
from calcd.settings.values import LogConnections, LogLevel, LogTarget
from calcd.supervisor import events
from calcd.supervisor.counts.connections import Connections
from calcd.supervisor.counts.counters import Counters

Target = Callable[[bytes], None]

_STOPS = {
    model.QUIT: calculator.STOP_QUIT,
    model.DIVISION_BY_ZERO: calculator.STOP_DIVISION_BY_ZERO,
    model.UNKNOWN_OPERATION: calculator.STOP_UNKNOWN_OPERATION,
}
_ENDINGS = {
    model.QUIT: report.QUIT,
    model.CLOSED: report.CLIENT_CLOSED,
    model.TRUNCATED: report.TRUNCATED,
    model.DIVISION_BY_ZERO: report.DIVISION_BY_ZERO,
    model.UNKNOWN_OPERATION: report.UNKNOWN_OPERATION,
    model.REQUEST_LIMIT: report.REQUEST_LIMIT,
}
_DEADLINES = (report.FIRST_BYTE_TIMEOUT, report.FRAME_TIMEOUT, report.IDLE_TIMEOUT)
_SHORT = 0.001  # seconds: a deadline that is meant to be over
_GRACE = 1.0  # seconds: calcd.handler.deadlines'
# Those streams that begin as RESP does are strangers' where it is not spoken.
_NO_DIALOGUE = Dialogue(lambda: b"", lambda: 0)
_GOOD = (model.QUIT, model.CLOSED)


def frames_of(said: Conversation) -> int:
    return said.requests + bool(said.rest or said.ending == model.QUIT)


# --- The decoder


def decoder(counts: Counts) -> Target:
    """calcd.protocol.calculator, on a run of frames at once, and on the same frames one by one."""

    def target(data: bytes) -> None:
        frames = data[: len(data) // model.SIZE * model.SIZE]
        said = model.converse(frames)
        expected = said.replies, _STOPS.get(said.ending)
        assert calculator.answer(frames) == expected
        assert calculator.answer(memoryview(frames)) == expected
        replies = []
        stop = None
        for at in range(0, len(frames), model.SIZE):
            frame = frames[at : at + model.SIZE]
            reply = calculator.answer_one(frame)
            stop = None if reply else calculator.reason(frame)
            assert calculator.answer(frame) == (reply, stop)
            if stop is not None:
                break
            replies.append(reply)
        assert (b"".join(replies), stop) == expected
        counts.add("inputs")
        counts.add("frames", frames_of(said))

    return target


# --- The header of a proxy


def header_of(data: bytes) -> proxy_model.Header | str:
    """What calcd.protocol.proxy_header makes of the data, in the words of the second model."""
    try:
        header = parse(data)
    except HeaderError:
        return proxy_model.REFUSED
    if header is None:
        return proxy_model.MORE
    size, host, port = header
    return proxy_model.Header(size, host and proxy_model.shown(ipaddress.ip_address(host)), port)


def header(counts: Counts) -> Target:
    """calcd.protocol.proxy_header, on the data and on all that has come of it before."""

    def target(data: bytes) -> None:
        whole = proxy_model.read(data)
        assert header_of(data) == whole
        for size in range(min(len(data), 300)):
            # What is known is not unknown again, nor another thing.
            assert header_of(data[:size]) in (proxy_model.MORE, whole)
        counts.add("inputs")

    return target


# --- The session


def _limits(given: inputs.Input) -> Limits:
    numbers = dict.fromkeys(Limits.NAMES, math.inf)
    if given.flags & inputs.LIMITED:
        numbers["max_requests"] = inputs.LIMIT
    if given.flags & inputs.NARROW:
        numbers["send_timeout"] = _SHORT
    if given.flags & inputs.SILENT:
        numbers |= dict.fromkeys(("first_byte_timeout", "frame_timeout", "idle_timeout"), _SHORT)
    return Limits(numbers)


def _as_read(pieces: list[bytes]) -> list[bytes]:
    """What each read(2) of a session's brings, if a piece has come whenever the one before is read."""
    size = sessions._SMALL_READ
    reads = []
    for piece in pieces:
        rest = piece
        while rest:
            reads.append(rest[:size])
            rest = rest[size:]
            if len(reads[-1]) == size:
                size = sessions._LARGE_READ
    return reads


def _serve(given: inputs.Input) -> tuple[sessions.Outcome, bytes, float]:
    """The outcome of a session, the replies that its client finds, and the seconds it took."""
    is_narrow = given.flags & inputs.NARROW
    # In packets, each read gets one; as a stream, it gets all there is, and a write can go in part.
    kind = socket.SOCK_STREAM if is_narrow else socket.SOCK_SEQPACKET
    client, connection = socket.socketpair(socket.AF_UNIX, kind)
    with client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        if is_narrow:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 0)  # the least: socket(7)
            client.sendall(given.stream)
        else:
            for packet in _as_read(given.pieces()):
                client.send(packet)
        if given.flags & inputs.GONE:
            client.close()
        elif not given.flags & inputs.SILENT:
            client.shutdown(socket.SHUT_WR)
        # Where nobody answers calcd's half of the close, it need not be waited for.
        deadlines._GRACE = _SHORT if given.flags & inputs.SILENT else _GRACE
        began = time.monotonic()
        session = Session(_limits(given), _NO_DIALOGUE, lambda _: None)
        session.prepare(connection.fileno())
        if given.flags & inputs.DRAINED:
            session.drain(signal.SIGTERM, None)
        outcome = session.serve(connection.detach(), "classic", b"unix:")
        seconds = time.monotonic() - began
        return outcome, b"" if given.flags & inputs.GONE else _all_of(client), seconds


def _all_of(client: socket.socket) -> bytes:
    received: list[bytes] = []
    while True:
        try:
            chunk = client.recv(1 << 17)
        except ConnectionResetError:  # what followed a quit was not read, which unix(7) tells first
            continue
        if not chunk:
            return b"".join(received)
        received.append(chunk)


def session(counts: Counts) -> Target:
    """calcd.handler.session over a real socket, in this process."""

    def target(data: bytes) -> None:
        given = inputs.decode(data)
        limit = inputs.LIMIT if given.flags & inputs.LIMITED else math.inf
        said = model.converse(given.stream, limit)
        outcome, replies, seconds = _serve(given)
        _check(given, said, outcome, replies, seconds)
        counts.add("inputs")
        counts.add("streams")
        counts.add("frames", frames_of(said))

    return target


def _check(
    given: inputs.Input,
    said: Conversation,
    outcome: sessions.Outcome,
    replies: bytes,
    seconds: float,
) -> None:
    ending, requests, received, sent, rest, *_ = outcome
    assert sent == requests * 4
    assert requests * model.SIZE <= received <= len(given.stream)
    assert said.replies.startswith(replies), "never a wrong number, in any circumstances"
    if given.flags & inputs.GONE:
        assert requests == 0
        assert ending == (report.CONNECTION_LOST if said.replies else _ENDINGS[said.ending])
        return
    assert requests == len(replies) // 4
    if given.flags & inputs.DRAINED and seconds >= (_SHORT if given.flags & inputs.SILENT else _GRACE):
        return  # on a machine that stood still, whatever was not read by then
    if given.flags & inputs.NARROW and len(replies) < len(said.replies):
        assert ending == report.SEND_TIMEOUT
        return
    if given.flags & inputs.SILENT:
        if ending == report.FRAME_TIMEOUT:
            return  # of any request that came in pieces
        if said.ending in (model.CLOSED, model.TRUNCATED):  # which it did not do
            assert replies == said.replies
            assert rest == said.rest
            if given.flags & inputs.DRAINED:
                assert ending == report.DRAINED
            else:
                assert ending == (report.IDLE_TIMEOUT if received else report.FIRST_BYTE_TIMEOUT)
            return
    assert replies == said.replies
    assert ending == _ENDINGS[said.ending]
    if ending == report.UNKNOWN_OPERATION:  # of as many bytes of it as had come
        assert said.rest.startswith(rest)
        assert len(rest) >= 4
    else:
        assert rest == said.rest
    if not said.is_cut_short and ending != report.UNKNOWN_OPERATION:
        assert received == len(given.stream)


# --- What less trusted processes tell


class _Lines(Log):
    """A log that is read instead of written."""

    def __init__(self) -> None:
        super().__init__(LogTarget.STDERR, LogLevel.DEBUG)
        self.lines: list[str] = []

    def write(self, message: Message, **fields: object) -> None:
        self.lines.append(message.text.format_map(fields))


_HANDLER = 4321


def reports(counts: Counts) -> Target:
    """Bytes that a handler writes to the reports' pipe, to the line in the log; and as a listener's event."""

    def target(data: bytes) -> None:
        _take_report(data)
        # Those that look real, but for what a handler can know.
        for kind, layout in report._STRUCTS.items():
            head = struct.pack("<Bi", kind, _HANDLER)
            rest = layout.size - len(head)
            _take_report(report.START + head + data[:rest].ljust(rest, b"\0"))
        _take_events(data)
        first = data[: model.SIZE]
        assert looks_like(first).isprintable()
        assert shown(first).isprintable()
        counts.add("inputs")

    return target


def _take_report(data: bytes) -> None:
    reading_end, writing_end = report.open_pipe()
    os.write(writing_end, data)
    # Whatever that was, the next one is understood.
    whole = report.ended(
        report.ENDED, _HANDLER + 1, True, 1_000, report.QUIT, 1, 24, 4, b"", *(report.CLASSIC, 0, 0, 0, 0)
    )
    os.write(writing_end, report.START + whole)
    *before, (last, _) = report.read(reading_end)
    assert last == whole
    os.close(reading_end)
    os.close(writing_end)
    log = _Lines()
    connections = Connections(Counters(), {}, log, LogConnections.ALL)
    for record, _ in before:
        match events.decode(record):
            case events.HeaderRefused() as event:
                connections.header_refused(event)
            case events.Accepted(handler, peer, proxy):
                connections.opened(peer, handler, proxy)
                Sources(()).of(host_of(peer))
            case events.Progress(_, sums):
                connections.goes_on(connections.opened("127.0.0.1:4321", _HANDLER), sums)
            case events.Ended() as event:
                connections.ended(connections.opened("127.0.0.1:4321", _HANDLER), event)
    assert all(line.isprintable() for line in log.lines)


def _take_events(data: bytes) -> None:
    for event in packets.unpack(data[: packets.PACKET_SIZE]):
        with contextlib.suppress(ValueError, struct.error):  # as it says
            events.decode(event)


# --- The daemon


def daemon(counts: Counts, address: tuple[str, int]) -> Target:
    """A calcd that runs, through TCP. The same stream goes through a session in this process first: what
    code that runs through is what leads the fuzzer on."""
    rehearsal = Counts.in_memory()
    rehearse = session(rehearsal)

    def target(data: bytes) -> None:
        rehearse(data)
        given = inputs.decode(data)
        said = model.converse(given.stream)
        is_gone = bool(given.flags & inputs.GONE)
        with socket.create_connection(address, timeout=DEADLINE) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if given.flags & inputs.NARROW:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
            replies = exchange(client, given.pieces(), reads=not is_gone)
        assert said.replies.startswith(replies), "never a wrong number, in any circumstances"
        # What follows a quit is not read, and closing with that unread resets the connection.
        if not is_gone and not (said.ending == model.QUIT and said.is_cut_short):
            assert replies == said.replies
        counts.add("inputs")
        counts.add("streams")
        counts.add("frames", frames_of(said))
        counts.add("most_requests", said.requests)
        counts.add("most_errors", is_gone or said.ending not in _GOOD)
        counts.add("least_requests", 0 if is_gone else said.requests)
        counts.add("least_errors", not is_gone and said.ending not in _GOOD)

    return target
