"""RESP over a socket: requests to bytes, bytes to replies, and a conversation that is cut into pieces."""

import contextlib
import socket
from collections.abc import Iterator
from typing import NamedTuple

from support.daemon import Calcd
from support.resp_value import Value, read_value

MARK = b"*2\r\n$4\r\nECHO\r\n$5\r\nmark\n\r\n"  # a command whose reply is like no other
MARKED = b"$5\r\nmark\n\r\n"
# For Calcd.expected: these clients end as they like.
CONNECTIONS = r"connection \d+ from \S+ (ended|closed) .*"
# Longer ones are not cut at every byte.
SHORT = 200


class Error(NamedTuple):
    """An error reply without its - and line end."""

    text: str


class Verbatim(NamedTuple):
    """A bulk string of RESP3 that says what it holds."""

    kind: str
    text: bytes


def array(*words: str | bytes | int) -> bytes:
    """A command as clients send it, an array of bulk strings."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


def decode(stream: bytes) -> list[object]:
    """All replies of a stream. Raises AssertionError or ValueError where it ends within one or is no RESP."""
    replies: list[object] = []
    at = 0
    while at < len(stream):
        value, at = read_value(stream, at, version=3)
        replies.append(_plain(value))
    return replies


def _plain(value: Value) -> object:
    reply: object
    match value.kind:
        case b":":
            reply = int(value.text)
            assert -(2**63) <= reply < 2**63
        case b"-":
            reply = Error(value.text.decode())
        case b"=":
            reply = Verbatim(value.text[:3].decode(), value.text[4:])
        case b"_":
            reply = None
        case b"%":
            items = [_plain(item) for item in value.items]
            reply = dict(zip(items[::2], items[1::2], strict=True))
        case b"*" | b"~":
            reply = [_plain(item) for item in value.items]
        case _:
            reply = value.text
    return reply


def ask(connection: socket.socket, stream: bytes) -> bytes:
    """All that is replied to the stream. It must leave the connection open."""
    connection.sendall(stream + MARK)
    received = b""
    while not received.endswith(MARKED):
        chunk = connection.recv(1 << 16)
        assert chunk, f"the connection ended after {received!r}"
        received += chunk
    return received.removesuffix(MARKED)


def until_end(connection: socket.socket, *, may_be_reset: bool = False) -> bytes:
    """All that is received until the other side closes. A reset is an error, because it loses replies."""
    received = b""
    try:
        while chunk := connection.recv(1 << 16):
            received += chunk
    except ConnectionResetError:
        if not may_be_reset:
            raise
    return received


def cuts(stream: bytes) -> Iterator[list[bytes]]:
    """The stream whole, cut in two at every byte, and byte by byte."""
    yield [stream]
    if len(stream) <= SHORT:
        for at in range(1, len(stream)):
            yield [stream[:at], stream[at:]]
        yield [stream[at : at + 1] for at in range(len(stream))]


def send_cut(connection: socket.socket, pieces: list[bytes]) -> None:
    """Sends each piece in a segment of its own, where TCP lets it."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in pieces:
        connection.sendall(piece)


def assert_goes_on(calcd: Calcd, stream: bytes, reply: bytes) -> None:
    """The stream has this reply, wherever it is cut, and the connection serves on."""
    with calcd.connect() as connection:
        for pieces in cuts(stream):
            send_cut(connection, pieces[:-1])
            assert ask(connection, pieces[-1]) == reply, pieces
        connection.sendall(b"QUIT\r\n")
        assert until_end(connection) == b"+OK\r\n"


def assert_closes(calcd: Calcd, stream: bytes, reply: bytes) -> None:
    """The stream has this reply, wherever it is cut. Then the connection is closed in two halves, and what
    follows the stream is not served."""
    for pieces in cuts(stream):
        with calcd.connect() as connection:
            send_cut(connection, [*pieces[:-1], pieces[-1] + MARK])
            assert until_end(connection) == reply, pieces


def assert_closes_at_once(calcd: Calcd, stream: bytes, *replies: bytes) -> None:
    """The stream has one of these replies or none, wherever it is cut, and what follows is not served."""
    for pieces in cuts(stream):
        with calcd.connect() as connection:
            # Who is cut off in the middle may not get rid of the rest.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                send_cut(connection, [*pieces[:-1], pieces[-1] + MARK])
            assert until_end(connection, may_be_reset=True) in (b"", *replies), pieces
