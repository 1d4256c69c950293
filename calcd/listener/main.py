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
    """Takes one argument, JSON, from calcd.supervisor.listener_process."""
    arguments: dict[str, Any] = json.loads(sys.argv[-1])
    title = Title()
    title.set("calcd: listener")
    # They are the supervisor's, also when they are sent to all: by a terminal, by systemctl kill, or by
    # the kernel to a process group that lost its last tie to a session and has a stopped member.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signals = SignalPipe(SIGNALS)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    listener = Listener(
        sockets=[socket.socket(fileno=fd) for fd in arguments["sockets"]],
        supervisor=socket.socket(fileno=arguments["supervisor"]),
        reports=tuple(arguments["reports"]),
        signals=signals,
        has_successor=arguments["has_successor"],
        drain_time=arguments["drain_time"],
        title=title,
    )
    # What is alive now stays alive in every handler: out of the collector's sight it is never written
    # to, and its pages stay shared.
    gc.freeze()
    listener.run()
    return os.EX_OK
