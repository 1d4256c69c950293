"""The listener's program. Only the supervisor runs it, by exec."""

import gc
import os
import sys
from _socket import socket

from calcd.handler.listener_signals import STOP_ACCEPTING
from calcd.handler.published import Published
from calcd.handler.resource_limits import restrict
from calcd.handler.sources import Sources
from calcd.linux import huge_pages, immortal_objects, signals
from calcd.linux.process_title import Title
from calcd.linux.signalfd import open_signalfd
from calcd.listener import filters, packets
from calcd.listener.loop import SIGNALS, Listener
from calcd.settings.limits import Limits


def main() -> int:
    """Runs a listener until it has left, and returns its exit status.

    The last argument has the words that calcd.supervisor.held.listener_process writes: name=value, separated
    by spaces; a list has commas. supervisor, reading_end and writing_end (of the reports' pipe), sockets,
    metrics and page (calcd.linux.shared_page) are file descriptors. protocols are those of each socket,
    joined by a plus sign, with the word proxy where a proxy's header comes first. exempt and proxies are
    lists of networks. version, hears_of_calls and hears_progress say what the supervisor understands. The
    other words are limits and arguments of Listener.
    """
    huge_pages.move_program_text()
    given = dict(word.split("=") for word in sys.argv[-1].split())
    supervisor = socket(fileno=int(given["supervisor"]))
    reports = int(given["reading_end"]), int(given["writing_end"])
    published = Published(int(given["page"]) if "page" in given else None)
    sockets = [socket(fileno=int(fd)) for fd in given["sockets"].split(",")]
    metrics = [socket(fileno=int(fd)) for fd in given.get("metrics", "").split(",") if fd]
    limits = Limits(given)
    sources = Sources(given["exempt"].split(",") if given["exempt"] else ())
    # A supervisor from before an upgrade names none: its own protocol is the classic one.
    protocols = given.get("protocols", ",".join(["classic"] * len(sockets))).split(",")
    trusted = [network for network in given.get("proxies", "").split(",") if network]
    proxies = Sources(trusted) if "proxy" in "+".join(protocols) else None
    _close_all_but(
        {supervisor.fileno(), *reports, *(listening.fileno() for listening in (*sockets, *metrics))}
    )
    title = Title()
    own_filter, handlers_filter, missing, call = filters.build(title, limits, sources, proxies)
    if missing and (missing <= packets.NO_KERNEL_SUPPORT or "hears_of_calls" in given):
        supervisor.send(packets.pack([packets.unconfined(missing, call)]))
    elif missing:  # a supervisor from before an upgrade ends if it gets an event that it does not know
        print(f"calcd: a seccomp filter is left out, because handlers call {call}", file=sys.stderr)
    # These signals are for the supervisor, even if all processes get them: from a terminal, from systemctl
    # kill, or from the kernel, when a process group with a stopped member becomes orphaned (setpgid(2)).
    signals.ignore((signals.SIGINT, signals.SIGHUP, signals.SIGUSR1, signals.SIGUSR2, signals.SIGQUIT))
    signalfd = open_signalfd(SIGNALS)
    signals.block((STOP_ACCEPTING,))  # the listener sends it to its process group, which includes itself
    restrict(limits)
    listener = Listener(
        sockets=sockets,
        metrics=metrics,
        protocols=protocols,
        proxies=proxies,
        supervisor=supervisor,
        reports=reports,
        signals=signalfd,
        has_successor=given["has_successor"] == "1",
        drain_time=float(given["drain_time"]),
        # A supervisor from before an upgrade knows other sums, and no progress.
        sums_up=given["sums_up"] == "1" and "hears_progress" in given,
        tells_progress="hears_progress" in given,
        spare_handlers=int(given["spare_handlers"]),
        limits=limits,
        sources=sources,
        published=published,
        title=title,
        handlers_filter=handlers_filter,
    )
    title.set(b"calcd: listener")  # after the warm-up, which sets titles itself
    # The objects that exist now live on in every handler. Counting and the garbage collector would write to
    # them; immortal and frozen, their pages stay shared.
    immortal_objects.mark()
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
