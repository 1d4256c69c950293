"""The listener's program: the supervisor runs it by exec, never an administrator."""

import gc
import os
import sys
from _socket import socket

from calcd.handler.commands import STOP_ACCEPTING
from calcd.handler.resource_limits import restrict
from calcd.handler.sources import Sources
from calcd.linux import huge_pages, signals
from calcd.linux.process_title import Title
from calcd.linux.signalfd import open_signalfd
from calcd.listener import filters, packets
from calcd.listener.loop import SIGNALS, Listener
from calcd.settings.limits import Limits


def main() -> int:
    """Takes one argument, the words of calcd.supervisor.held.listener_process: name=value, and lists with
    commas. They are the numbers of file descriptors (supervisor, and of the reports' pipe reading_end and
    writing_end; sockets), the limits, the networks that are exempt, and what else Listener takes."""
    huge_pages.move_program_text()
    given = dict(word.split("=") for word in sys.argv[-1].split())
    supervisor = socket(fileno=int(given["supervisor"]))
    reports = int(given["reading_end"]), int(given["writing_end"])
    sockets = [socket(fileno=int(fd)) for fd in given["sockets"].split(",")]
    limits = Limits(given)
    own_filter, handlers_filter, missing = filters.build(limits.connections_per_handler > 1)
    if missing:
        supervisor.send(packets.pack([packets.unconfined(missing)]))
    _close_all_but({supervisor.fileno(), *reports, *(listening.fileno() for listening in sockets)})
    title = Title()
    # They are the supervisor's, also when they are sent to all: by a terminal, by systemctl kill, or by
    # the kernel to a process group that lost its last tie to a session and has a stopped member.
    signals.ignore((signals.SIGINT, signals.SIGHUP, signals.SIGUSR1))
    signalfd = open_signalfd(SIGNALS)
    signals.block((STOP_ACCEPTING,))  # its own to handlers, by the process group that it shares with them
    restrict(limits)
    listener = Listener(
        sockets=sockets,
        supervisor=supervisor,
        reports=reports,
        signals=signalfd,
        has_successor=given["has_successor"] == "1",
        drain_time=float(given["drain_time"]),
        sums_up=given["sums_up"] == "1",
        spare_handlers=int(given["spare_handlers"]),
        limits=limits,
        sources=Sources(given["exempt"].split(",") if given["exempt"] else ()),
        title=title,
        handlers_filter=handlers_filter,
    )
    title.set(b"calcd: listener")  # not before the warm-up, which has titles of its own
    # What is alive now stays alive in every handler: out of the collector's sight it is never written
    # to, and its pages stay shared.
    gc.freeze()
    own_filter.enforce()
    listener.run()
    return os.EX_OK


def _close_all_but(needed: set[int]) -> None:
    """Closes other files than these, and standard input, output and error.

    When it is imported, Python 3.14's _ctypes tries whether C could call Python, for which libffi (3.8) opens
    its own file, for good. Nothing here is called so; nor could it be, under the listener's filter.
    """
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2 and fd not in needed:
            os.closerange(fd, fd + 1)  # close() would complain: one of them was the listing itself
