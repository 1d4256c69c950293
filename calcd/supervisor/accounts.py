"""The connections: each one's line when it opens and when it ends, and the sums."""

import os
import signal
import time
from typing import NamedTuple

from calcd.config import LogConnections
from calcd.handler import report
from calcd.supervisor import messages
from calcd.supervisor.counters import Counters
from calcd.supervisor.log import Log
from calcd.supervisor.strangers import looks_like, shown

ENDINGS = {
    report.QUIT: "quit",
    report.CLIENT_CLOSED: "closed by client",
    report.TRUNCATED: "truncated frame",
    report.DIVISION_BY_ZERO: "division by zero",
    report.UNKNOWN_OPERATION: "unknown operation",
    report.CONNECTION_LOST: "connection lost",
    report.DRAINED: "closed by calcd, which stops",
}
# At a limit or a deadline.
CUT_OFFS = {
    report.FIRST_BYTE_TIMEOUT: "FirstByteTimeout= is over",
    report.FRAME_TIMEOUT: "FrameTimeout= is over",
    report.IDLE_TIMEOUT: "IdleTimeout= is over",
    report.SEND_TIMEOUT: "SendTimeout= is over",
    report.LIFETIME_OVER: "ConnectionLifetime= is over",
    report.REQUEST_LIMIT: "MaxRequests= is reached",
}
_GOOD_ENDINGS = frozenset({report.QUIT, report.CLIENT_CLOSED, report.DRAINED})
# What the limits of a handler's resources come to.
_REASONS = {
    -signal.SIGXCPU: "HandlerCpuTime= is over",
    report.EXIT_NO_MEMORY: "HandlerMemory= allows it no more",
}


class Session(NamedTuple):
    """A connection that is open."""

    number: int  # unique for as long as the supervisor lives
    peer: str
    handler: int  # its PID
    opened: float  # time.monotonic()

    @property
    def host(self) -> str:
        """The client's IP address; empty for a Unix socket's."""
        return "" if self.peer.startswith("unix:") else self.peer.rpartition(":")[0].strip("[]")


class Accounts:
    def __init__(self, log: Log, wanted: LogConnections) -> None:
        self.counters = Counters()
        self.wanted = wanted
        self._log = log

    def opened(self, peer: str, handler: int) -> Session:
        self.counters.connections += 1
        session = Session(self.counters.opened, peer, handler, time.monotonic())
        if self.wanted == LogConnections.ALL:
            self._log.write(messages.CONNECTION_OPENED, session=session.number, peer=peer, handler=handler)
        return session

    def ended(self, session: Session, wait_status: int | None, seconds: float, record: bytes) -> None:
        """wait_status is wait(2)'s, None when nobody has lived to tell; record is the handler's report,
        empty when it died before it could."""
        requests = received = sent = 0
        frame = b""
        if record:
            _, end, requests, received, sent, frame = report.decode(record)
            is_good = end in _GOOD_ENDINGS
            if end in CUT_OFFS:
                message, ending = messages.CUT_OFF, CUT_OFFS[end]
                self.counters.cut_off += 1
            elif end == report.UNKNOWN_OPERATION and not requests:
                message, ending = messages.STRANGER, ENDINGS[end]
                self.counters.strangers += 1
            else:
                message, ending = messages.CONNECTION_ENDED, ENDINGS[end]
        elif wait_status:
            message, ending, is_good = messages.HANDLER_DIED, describe(wait_status), False
            if os.waitstatus_to_exitcode(wait_status) == -signal.SIGSYS:
                message = messages.HANDLER_STOPPED
        else:
            message, ending, is_good = messages.REPORT_LOST, "report lost", True
        # The protocol ends a connection at its first error.
        errors = 0 if is_good else 1
        counters = self.counters
        counters.connections -= 1
        counters.served += 1
        counters.requests += requests
        counters.errors += errors
        counters.received += received
        counters.sent += sent
        if (
            self.wanted == LogConnections.ALL
            or (self.wanted == LogConnections.ERRORS and not is_good)
            or message is messages.HANDLER_STOPPED
        ):
            self._log.write(
                message,
                session=session.number,
                peer=session.peer,
                handler=session.handler,
                duration=f"{seconds:.6f}",
                ending=ending,
                requests=requests,
                errors=errors,
                received=received,
                sent=sent,
                **({"frame": shown(frame), "looks_like": looks_like(frame)} if frame else {}),
            )


def describe(wait_status: int) -> str:
    """For example "killed by signal 9 (SIGKILL)"."""
    code = os.waitstatus_to_exitcode(wait_status)
    reason = f", {_REASONS[code]}" if code in _REASONS else ""
    if code >= 0:
        return f"exit status {code}{reason}"
    try:
        return f"killed by signal {-code} ({signal.Signals(-code).name}){reason}"
    except ValueError:  # a real-time signal
        return f"killed by signal {-code}"
