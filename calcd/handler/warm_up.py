"""Warms up the code of handlers: the listener serves connections to itself before its first fork."""

from __future__ import annotations

import os
from _socket import AF_UNIX, SHUT_WR, SOCK_SEQPACKET, socket

from calcd.handler.acceptor import Acceptor
from calcd.handler.peers import host_and_name
from calcd.handler.process import Handler
from calcd.handler.published import Published
from calcd.handler.sources import Sources
from calcd.linux.seccomp import Filter
from calcd.protocol.calculator import QUIT, REQUEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calcd.handler.client_ids import ClientIds
    from calcd.linux.process_title import Title
    from calcd.settings.limits import Limits

# Python 3.11 adapts code after 8 runs, and its instructions after some more.
_CONNECTIONS = 32  # of each protocol
_CLASSIC = [REQUEST.pack(oper, 6, 7) for oper in range(QUIT + 1)]
# Headers of the PROXY protocol.
_HEADERS = (
    b"PROXY TCP4 127.0.0.1 127.0.0.1 7070 7070\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\1\x7f\0\0\1\x1b\x9e\x1b\x9e",
)
_OPERATIONS = (b"ADD", b"SUB", b"MUL", b"DIV")
_RESP = (
    *(b"*3\r\n$3\r\n%b\r\n$1\r\n6\r\n$1\r\n7\r\n" % name for name in _OPERATIONS),
    *(b"%b 6 7\r\n" % name for name in _OPERATIONS),
    *(b"*3\r\n$3\r\n%b\r\n$1\r\n6\r\n$1\r\n7\r\n" % name * 3 for name in _OPERATIONS),
    b"*1\r\n$4\r\nPING\r\n",
    b"QUIT\r\n",
)


def warm_up(
    title: Title, limits: Limits, sources: Sources, client_ids: ClientIds, proxies: Sources | None
) -> None:
    """Serves a few connections in the listener, so that its forks inherit code that is specialized already.

    Since Python 3.11 (PEP 659), the interpreter rewrites code that has run several times, to find things
    where they were before. A handler whose code is not rewritten yet touches 16 pages of memory more.
    proxies are those of the handlers that follow: None if no socket is proxied.
    """
    reports = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    # SOCK_SEQPACKET, so that each read gets one request, as from a client that waits for every reply.
    listening = listen_to_nobody(SOCK_SEQPACKET)
    acceptor = Acceptor([listening], ["classic+resp" if proxies is None else "proxy+classic+resp"])
    handler = Handler(
        acceptor=acceptor,
        reports=reports,
        admission_requests=-1,
        title=title,
        inherited=(),
        # Only the limits that change the path through the code, and none that the warm-up would reach.
        limits=limits.of("max_connections_per_source", "max_rate_per_source"),
        # A header names a client. It has to be exempt, because nobody is there to admit it.
        sources=sources if proxies is None else Sources(["0.0.0.0/0"]),
        published=Published(None),
        client_ids=client_ids,
        own_filter=Filter(b""),
        proxies=proxies,
        is_warm_up=True,
    )
    handler._files_for_accepting = []
    for number in range(2 * _CONNECTIONS):
        client = socket(AF_UNIX, SOCK_SEQPACKET)
        client.connect(listening.getsockname())
        header = b"" if proxies is None else _HEADERS[number // 2 % 2]
        for request in (_CLASSIC, _RESP)[number % 2]:
            client.send(header + request)
            header = b""
        client.shutdown(SHUT_WR)  # behind a QUIT, calcd waits for the client's half of the close
        handler._left = 1  # the code between two connections stays cold; a handler that needs it warms it up
        handler.run()
        host_and_name(-1, ("127.0.0.1", 7070))  # the warm-up's socket is a Unix socket, with other names
        client.close()
    acceptor.close()
    listening.close()
    os.close(reports)


def listen_to_nobody(kind: int) -> socket:
    """A socket that only this process knows how to connect to."""
    listening = socket(AF_UNIX, kind)
    listening.bind("")  # the kernel picks a name: unix(7), "Autobind feature"
    listening.listen()
    return listening
