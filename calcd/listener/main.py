"""The listener's program: the supervisor runs it by exec, never an administrator."""

import gc
import os
import sys
from _socket import socket

from calcd import signals
from calcd.listener import events, filters
from calcd.listener.loop import SIGNALS, Listener
from calcd.listener.signalfd import open_signalfd
from calcd.title import Title


def main() -> int:
    """Takes one argument, words from calcd.supervisor.listener_process: the file descriptors of the
    supervisor's socket and of both ends of the reports' pipe, 1 where the sockets have a successor, the
    drain time in seconds, and the listening sockets' file descriptors."""
    argument, reading_end, writing_end, has_successor, drain_time, *sockets = sys.argv[-1].split()
    supervisor = socket(fileno=int(argument))
    own_filter, handlers_filter, missing = filters.build()
    if missing:
        supervisor.send(events.unconfined(missing))
    title = Title()
    # They are the supervisor's, also when they are sent to all: by a terminal, by systemctl kill, or by
    # the kernel to a process group that lost its last tie to a session and has a stopped member.
    signals.ignore((signals.SIGINT, signals.SIGHUP, signals.SIGUSR1))
    signalfd = open_signalfd(SIGNALS)
    listener = Listener(
        sockets=[socket(fileno=int(fd)) for fd in sockets],
        supervisor=supervisor,
        reports=(int(reading_end), int(writing_end)),
        signals=signalfd,
        has_successor=has_successor == "1",
        drain_time=float(drain_time),
        title=title,
        handlers_filter=handlers_filter,
    )
    title.set(b"calcd: listener")  # now that handlers have been rehearsed
    # What is alive now stays alive in every handler: out of the collector's sight it is never written
    # to, and its pages stay shared.
    gc.freeze()
    own_filter.enforce()
    listener.run()
    return os.EX_OK
