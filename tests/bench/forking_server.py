"""forking_server.py PORT: the protocol on the standard library's ForkingTCPServer."""

import socket
import socketserver
import struct
import sys

_REQUEST = struct.Struct("<iii")


def _compute(oper: int, a: int, b: int) -> int | None:
    """None for a request that ends the conversation."""
    if oper == 0:
        result = a + b
    elif oper == 1:
        result = a - b
    elif oper == 2:
        result = a * b
    elif oper == 3 and b != 0:
        result = int(a / b)
    else:
        return None
    return (result & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


class _Handler(socketserver.BaseRequestHandler):
    request: socket.socket

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        held = b""
        while received := self.request.recv(65536):
            held += received
            whole = len(held) // _REQUEST.size * _REQUEST.size
            replies: list[int] = []
            ended = False
            for request in _REQUEST.iter_unpack(held[:whole]):
                result = _compute(*request)
                if result is None:
                    ended = True
                    break
                replies.append(result)
            self.request.sendall(struct.pack(f"<{len(replies)}i", *replies))
            if ended:
                return
            held = held[whole:]


class _Server(socketserver.ForkingTCPServer):
    allow_reuse_address = True
    request_queue_size = 4096
    max_children = 4096  # the 40 of the standard library are fewer than the load holds open


if __name__ == "__main__":
    with _Server(("127.0.0.1", int(sys.argv[1])), _Handler) as server:
        server.serve_forever()
