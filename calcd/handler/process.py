"""The process around a session: what a fork of the listener sheds, and how it leaves."""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterable
from typing import NoReturn

from calcd.handler import report
from calcd.handler.session import Session
from calcd.title import Title


def run(
    connection: socket.socket, peer: str, reports: int, title: Title, inherited: Iterable[int]
) -> NoReturn:
    """Serves the connection and exits: 0, or 70 (EX_SOFTWARE) with a traceback on standard error.

    reports is the pipe that the report goes to, inherited the listener's other file descriptors.
    Called in a new fork with SIGCHLD and SIGTERM blocked. It leaves by os._exit: an ordinary end of the
    interpreter costs 2 to 7 ms and would run what the listener has registered for its own end.
    """
    status = os.EX_SOFTWARE
    try:
        # A signal would still be written to the listener's wakeup pipe, which all forks share.
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        session = Session(connection)
        signal.signal(signal.SIGTERM, session.drain)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        # A listening socket kept here would hold its port for as long as the connection lasts.
        for fd in inherited:
            os.close(fd)
        title.set(f"calcd: serving {peer}")
        record = report.encode(session.serve())
        with contextlib.suppress(BrokenPipeError):  # listener and supervisor are gone: nobody to tell
            os.write(reports, record)
        status = os.EX_OK
    finally:
        if status != os.EX_OK:
            sys.excepthook(*sys.exc_info())
        os._exit(status)
