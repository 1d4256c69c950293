"""The pipe in which a handler reports, for a test that writes there in its place."""

import socket
from io import FileIO

from support.daemon import Calcd
from support.processes import Process


def open_reports_of(connection: socket.socket, calcd: Calcd) -> tuple[Process, FileIO]:
    """The handler of a TCP connection, and where it reports, open for writing."""
    ((handler, pipe),) = [
        (handler, fd)
        for handler in calcd.handlers
        for fd, file in handler.files().items()
        if handler.title.endswith(f":{connection.getsockname()[1]}")
        if fd > 2 and file.startswith("pipe:") and handler.may_write(fd)
    ]
    return handler, open(f"/proc/{handler.pid}/fd/{pipe}", "wb", buffering=0)
