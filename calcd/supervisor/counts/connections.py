"""Logs when a connection opens and when it ends, and counts connections."""

import os
import signal
import time
from typing import NamedTuple

from calcd.handler import report
from calcd.handler.peers import host_of
from calcd.log import messages
from calcd.log.log import Log
from calcd.log.messages import Message
from calcd.protocol.foreign import looks_like, shown
from calcd.protocol.resp.dialogue import ERROR_KINDS
from calcd.settings.values import LogConnections
from calcd.supervisor.counts import refused_headers
from calcd.supervisor.counts.counters import Counters
from calcd.supervisor.events import Ended, HeaderRefused, Served, Sums

ENDINGS = {
    report.QUIT: "quit",
    report.CLIENT_CLOSED: "closed by client",
    report.TRUNCATED: "truncated frame",
    report.DIVISION_BY_ZERO: "division by zero",
    report.UNKNOWN_OPERATION: "unknown operation",
    report.CONNECTION_LOST: "connection lost",
    report.DRAINED: "closed by calcd, which stops",
    report.PROTOCOL_ERROR: "protocol error",
    report.STRANGER: "foreign protocol",
    report.NOT_KNOWN: "not known",
}
PROTOCOLS = {report.CLASSIC: "classic", report.RESP: "resp", report.NOTHING: "none"}
# The endings by which calcd cuts off a connection, at a limit or a deadline.
CUT_OFFS = {
    report.FIRST_BYTE_TIMEOUT: "FirstByteTimeout= is over",
    report.FRAME_TIMEOUT: "FrameTimeout= is over",
    report.IDLE_TIMEOUT: "IdleTimeout= is over",
    report.SEND_TIMEOUT: "SendTimeout= is over",
    report.LIFETIME_OVER: "ConnectionLifetime= is over",
    report.REQUEST_LIMIT: "MaxRequests= is reached",
}
# Why a handler died at one of its resource limits, by its exit code.
_REASONS = {
    -signal.SIGXCPU: "HandlerCpuTime= is over",
    report.EXIT_NO_MEMORY: "HandlerMemory= allows it no more",
}


# What an ending is called in the counters, which name a cut-off by its setting; and what else it can be.
_KINDS = {ending: words.partition("=")[0] for ending, words in (ENDINGS | CUT_OFFS).items()}
_HANDLER_DIED, _REPORT_LOST = "handler died", "report lost"


class Connection(NamedTuple):
    """An open connection."""

    number: int  # unique in the life of the supervisor
    peer: str
    handler: int  # its PID
    opened: float  # time.monotonic()
    proxy: str = ""  # that it came by

    @property
    def is_check(self) -> bool:
        """Whether the proxy speaks for itself: it sees whether calcd is well (calcd.handler.proxied)."""
        return self.peer == self.proxy

    @property
    def host(self) -> str:
        """The client's IP address; empty for one to which no limit of a source applies."""
        return "" if self.is_check else host_of(self.peer)

    @property
    def fields(self) -> dict[str, object]:
        """What each line about the connection has."""
        proxy = {"proxy": self.proxy} if self.proxy else {}
        return {"session": self.number, "peer": self.peer, "handler": self.handler, **proxy}


class Connections:
    def __init__(
        self, counters: Counters, counted: dict[int, Sums], log: Log, wanted: LogConnections
    ) -> None:
        """counted is what the counters have already of connections that go on, by number."""
        kinds = (*_KINDS.values(), _HANDLER_DIED, _REPORT_LOST)
        # Another version that has handed over may not have all kinds.
        counters.endings = dict.fromkeys(kinds, 0) | counters.endings
        counters.protocols = dict.fromkeys(PROTOCOLS.values(), 0) | counters.protocols
        counters.error_replies = dict.fromkeys(ERROR_KINDS, 0) | counters.error_replies
        self.counters = counters
        self.wanted = wanted
        self._log = log
        self._counted = counted

    def opened(self, peer: str, handler: int, proxy: str = "") -> Connection:
        self.counters.connections += 1
        connection = Connection(self.counters.opened, peer, handler, time.monotonic(), proxy)
        if self.wanted == LogConnections.ALL and not connection.is_check:
            self._log.write(messages.CONNECTION_OPENED, **connection.fields)
        return connection

    def ended(self, connection: Connection, event: Ended) -> None:
        end = event.ending
        if connection.is_check:
            self._check_ended(connection, event)
            return
        if end in CUT_OFFS:
            message, ending = messages.CUT_OFF, CUT_OFFS[end]
            self.counters.cut_off += 1
        elif end == report.STRANGER or (end == report.UNKNOWN_OPERATION and not event.sums.requests):
            message, ending = messages.STRANGER, ENDINGS[end]
            self.counters.strangers += 1
        else:
            message, ending = messages.CONNECTION_ENDED, ENDINGS[end]
            if end == report.CLIENT_CLOSED and not event.sums.received:
                self.counters.probes += 1
        self.counters.endings[_KINDS[end]] += 1
        self._settle(message, ending, connection, event, is_good=end in report.GOOD_ENDINGS)

    def goes_on(self, connection: Connection, sums: Sums) -> None:
        """Counts what was done so far for a connection that is open."""
        if connection.is_check:
            return
        self.counters.add(sums.since(self._counted.get(connection.number, Sums())))
        self._counted[connection.number] = sums

    def _check_ended(self, connection: Connection, event: Ended) -> None:
        """Neither errors nor sums are of interest of what comes every second and is the proxy's to judge."""
        self.counters.connections -= 1
        self.counters.checks += 1
        if self.wanted == LogConnections.ALL:
            self._log.write(
                messages.PROXY_CHECKED,
                **connection.fields,
                duration=f"{event.microseconds / 1e6:.6f}",
                ending=(ENDINGS | CUT_OFFS)[event.ending],
                protocol=PROTOCOLS[event.protocol],
                requests=event.sums.requests,
                received=event.sums.received,
                sent=event.sums.sent,
            )

    def header_refused(self, event: HeaderRefused) -> None:
        """A connection of a proxy has come to nothing."""
        self.counters.headers_refused += 1
        if self.wanted != LogConnections.NONE:
            reason, remedy = refused_headers.WORDS[event.reason]
            self._log.write(
                messages.HEADER_REFUSED,
                proxy=event.proxy,
                handler=event.handler,
                reason=reason,
                frame=shown(event.sent) if event.sent else "nothing",
                looks_like=looks_like(event.sent) if event.sent else "none",
                remedy=remedy,
            )

    def served(self, event: Served) -> None:
        """Counts connections that the log does not show."""
        self.counters.served += event.connections
        self.counters.endings[_KINDS.get(event.ending, _KINDS[report.NOT_KNOWN])] += event.connections
        self.counters.protocols[PROTOCOLS.get(event.protocol, "none")] += event.connections
        self.counters.add(event.sums)

    def died(self, connection: Connection, wait_status: int | None, seconds: float) -> None:
        """The handler died before it could report. wait_status is that of wait(2), or None if it is not
        known, because the listener died as well."""
        if not wait_status:
            message, ending = messages.REPORT_LOST, _REPORT_LOST
            self.counters.endings[_REPORT_LOST] += 1
        else:
            message, ending = messages.HANDLER_DIED, describe(wait_status)
            self.counters.endings[_HANDLER_DIED] += 1
            self.counters.handlers_killed += 1
            if os.waitstatus_to_exitcode(wait_status) == -signal.SIGSYS:
                message = messages.HANDLER_STOPPED
        sums = self._counted.get(connection.number, Sums())
        event = Ended(connection.handler, int(seconds * 1e6), 0, sums, b"", report.NOTHING)
        self._settle(message, ending, connection, event, is_good=not wait_status)

    def orphan_died(self, connection: Connection, wait_status: int | None) -> None:
        """As died(), for a handler whose listener died before it."""
        self.died(connection, wait_status, time.monotonic() - connection.opened)

    def _settle(
        self, message: Message, ending: str, connection: Connection, event: Ended, *, is_good: bool
    ) -> None:
        sums = event.sums
        counters = self.counters
        counters.connections -= 1
        counters.served += 1
        counters.errors += not is_good
        counters.protocols[PROTOCOLS[event.protocol]] += 1
        counted = self._counted.pop(connection.number, None)
        counters.add(sums.since(counted) if counted else sums)
        if (
            self.wanted == LogConnections.ALL
            or (self.wanted == LogConnections.ERRORS and not is_good)
            or message is messages.HANDLER_STOPPED
        ):
            frame = event.frame
            self._log.write(
                message,
                **connection.fields,
                duration=f"{event.microseconds / 1e6:.6f}",
                ending=ending,
                protocol=PROTOCOLS[event.protocol],
                requests=sums.requests,
                errors=sum(sums.error_replies) + (not is_good),
                error_replies=_by_kind(sums) or "none",
                received=sums.received,
                sent=sums.sent,
                **({"frame": shown(frame), "looks_like": looks_like(frame)} if frame else {}),
            )


def _by_kind(sums: Sums) -> str:
    errors = zip(sums.error_replies, ERROR_KINDS, strict=True)
    return ", ".join(f"{times} {kind}" for times, kind in errors if times)


def describe(wait_status: int) -> str:
    """Describes the status of wait(2), for example "killed by signal 9 (SIGKILL)"."""
    code = os.waitstatus_to_exitcode(wait_status)
    reason = f", {_REASONS[code]}" if code in _REASONS else ""
    if code >= 0:
        return f"exit status {code}{reason}"
    try:
        return f"killed by signal {-code} ({signal.Signals(-code).name}){reason}"
    except ValueError:  # a real-time signal has no name
        return f"killed by signal {-code}"
