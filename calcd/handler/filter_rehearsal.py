"""A handler that serves nobody under its seccomp filter, to see whether it lives.

A library that somebody has preloaded (LD_PRELOAD, /etc/ld.so.preload) makes calls of its own: allocators give
memory back in their own ways, others read clocks or open files. No list of ours knows them all, and each
connection would end in the kernel's killing its handler.
"""

from __future__ import annotations

import os
from _socket import AF_UNIX, SHUT_WR, SOCK_STREAM, socket

from calcd.handler.acceptor import Acceptor
from calcd.handler.client_ids import ClientIds
from calcd.handler.process import Handler
from calcd.handler.published import Published
from calcd.handler.warm_up import listen_to_nobody
from calcd.linux import signals
from calcd.linux.prctl import PR_SET_DUMPABLE, prctl
from calcd.linux.seccomp import Filter
from calcd.protocol.calculator import QUIT, REQUEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calcd.handler.sources import Sources
    from calcd.linux.process_title import Title
    from calcd.settings.limits import Limits

# What clients send: more than a small read, and than a large one, and an end in which calcd waits for it. In
# RESP, a handler makes all system calls that it makes in the classic protocol, and one more.
_REQUESTS = (
    b"CLIENT ID\r\n" + b"ADD 6 7\r\n" * 8000 + b"*?\r\n",
    REQUEST.pack(1, 6, 7) * 6000 + REQUEST.pack(QUIT + 1, 0, 0),
)
# What comes first where there is a proxied socket. For a client with an address, admission would be asked.
_HEADER = b"PROXY UNKNOWN\r\n"
# Seconds. A rehearsal takes 0.003: one that takes longer says nothing about the filter.
_TIME = 5.0


def succeeds(
    listeners_program: bytes,
    program: bytes,
    *,
    title: Title,
    limits: Limits,
    sources: Sources,
    proxies: Sources | None,
) -> bool:
    """Whether a handler ends as it should under these filters, of which the second one is put in force as
    every handler does it. For a process that blocks all signals, and that is no listener."""
    try:
        child = os.fork()
    except OSError:  # no room for another process: that is for the listener to say, when it forks
        return True
    if child == 0:
        _rehearse(
            Filter(listeners_program),
            Filter(program),
            title=title,
            limits=limits,
            sources=sources,
            proxies=proxies,
        )
    is_over = signals.wait_for((signals.SIGCHLD,), _TIME) is not None
    os.kill(child, signals.SIGKILL)  # it is a zombie by now, or hangs
    _, status = os.waitpid(child, 0)
    signals.wait_for((signals.SIGCHLD,), 0)  # of one that was killed: not for the next rehearsal
    return status == 0 or not is_over


def _rehearse(
    listeners_filter: Filter,
    own_filter: Filter,
    *,
    title: Title,
    limits: Limits,
    sources: Sources,
    proxies: Sources | None,
) -> None:
    """Does not return."""
    prctl(PR_SET_DUMPABLE, 0)  # its death is no news: no core(5) is wanted
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 2)  # nor a traceback
    title.arguments = memoryview(
        bytearray(len(title.arguments))
    )  # nor is it one of calcd's handlers for ps(1)
    requests = _REQUESTS if limits.connections_per_handler > 1 else _REQUESTS[:1]
    listening = listen_to_nobody(SOCK_STREAM)
    clients = [socket(AF_UNIX, SOCK_STREAM) for _ in requests]
    for client, sent in zip(clients, requests, strict=True):
        client.connect(listening.getsockname())
        client.setblocking(False)
        client.send(sent if proxies is None else _HEADER + sent)
        client.shutdown(SHUT_WR)
    handler = Handler(
        acceptor=Acceptor([listening], ["classic+resp" if proxies is None else "proxy+classic+resp"]),
        reports=null,
        admission_requests=os.dup(null),
        title=title,
        inherited=(),
        limits=limits,
        sources=sources,
        published=Published(None),
        client_ids=ClientIds(),
        own_filter=own_filter,
        proxies=proxies,
    )
    handler._left = len(requests)
    handler._listener = os.getppid()
    listeners_filter.enforce()
    handler.run()
