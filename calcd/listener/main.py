"""The listener's program: the supervisor runs it by exec, never an administrator."""

import gc
import json
import os
import signal
import socket
import sys
from typing import Any

from calcd.listener.loop import SIGNALS, Listener
from calcd.signals import SignalPipe
from calcd.title import Title


def main() -> int:
    """Takes one argument, JSON: Arguments in calcd.supervisor.listener_process."""
    arguments: dict[str, Any] = json.loads(sys.argv[-1])
    title = Title()
    title.set("calcd: listener")
    # The supervisor alone decides what an interrupt at the terminal means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listener = Listener(
        sockets=[socket.socket(fileno=fd) for fd in arguments["sockets"]],
        supervisor=socket.socket(fileno=arguments["supervisor"]),
        reports=tuple(arguments["reports"]),
        signals=SignalPipe(SIGNALS),
        has_successor=arguments["has_successor"],
        drain_time=arguments["drain_time"],
        title=title,
    )
    # What is alive now stays alive in every handler: out of the collector's sight it is never written
    # to, and its pages stay shared.
    gc.freeze()
    listener.run()
    return os.EX_OK
