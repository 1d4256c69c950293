"""A conversation of which the client knows all that it will say."""

import errno
import select
import socket
import time

from support.patience import patience

TIMEOUT = patience(60)  # seconds; nothing that works takes as long


def exchange(client: socket.socket, pieces: list[bytes], *, reads: bool = True) -> bytes:
    """Sends the pieces, one segment each as far as TCP lets it, then closes its half of the connection, and
    reads all the while until the other end closes. Raises TimeoutError when that does not come."""
    client.setblocking(False)
    received: list[bytes] = []
    rest = list(pieces)
    is_sending = True
    due = time.monotonic() + TIMEOUT
    while is_sending or reads:
        if time.monotonic() > due:
            raise TimeoutError(f"calcd has not closed the connection; {len(rest)} pieces are left")
        readable, writable, _ = select.select([client], [client] if is_sending else [], [], 1)
        if writable:
            is_sending = _send_some(client, rest)
        if readable and reads:
            try:
                chunk = client.recv(1 << 16)
            except ConnectionResetError:  # as in _send_some()
                break
            if not chunk:
                break
            received.append(chunk)
    return b"".join(received)


def _send_some(client: socket.socket, rest: list[bytes]) -> bool:
    """False when there is no more to send, or nobody who takes it: calcd has closed at what ends a
    conversation, and more was on its way."""
    try:
        if rest:
            rest[0] = rest[0][client.send(rest[0]) :]
            if not rest[0]:
                del rest[0]
        if not rest:
            client.shutdown(socket.SHUT_WR)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
            raise
        return False
    return bool(rest)
