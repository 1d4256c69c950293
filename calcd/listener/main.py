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
    limits = Limits(given)
    sources = Sources(given["exempt"].split(",") if given["exempt"] else ())
    title = Title()
    own_filter, handlers_filter, missing, call = filters.build(title, limits, sources)
    if missing and (missing <= packets.NO_KERNEL_SUPPORT or "hears_of_calls" in given):
        supervisor.send(packets.pack([packets.unconfined(missing, call)]))
    elif missing:  # a supervisor from before an upgrade, which would die of what it has never heard of
        print(f"calcd: a seccomp filter is left out, because handlers call {call}", file=sys.stderr)
    # They are the supervisor's, also when they are sent to all: by a terminal, by systemctl kill, or by
    # the kernel to a process group that lost its last tie to a session and has a stopped member.
    signals.ignore((signals.SIGINT, signals.SIGHUP, signals.SIGUSR1))
    signalfd = open_signalfd(SIGNALS)
    signals.block((STOP_ACCEPTING,))  # its own to handlers, by the process group that it shares with them
    restrict(limits)
    listener = Listener(
        sockets=[socket(fileno=int(fd)) for fd in given["sockets"].split(",")],
        supervisor=supervisor,
        reports=(int(given["reading_end"]), int(given["writing_end"])),
        signals=signalfd,
        has_successor=given["has_successor"] == "1",
        drain_time=float(given["drain_time"]),
        sums_up=given["sums_up"] == "1",
        spare_handlers=int(given["spare_handlers"]),
        limits=limits,
        sources=sources,
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
