"""A Python library for asking calcd.

    import calcd.client

    with calcd.client.Client("127.0.0.1:7070", timeout=2) as c:
        print(c.add(2, 3))

The errors that it raises are ClientErrors. Each is also the built-in exception that a caller would expect.
"""

from calcd.client.client import Client
from calcd.client.errors import (
    AddressError,
    ClientError,
    ConnectError,
    ConnectionLostError,
    DivisionByZeroError,
    ErrorReplyError,
    NotCalcdError,
    OperandRangeError,
    ServerTimeoutError,
    SharedClientError,
    TooBigError,
    UnknownProtocolError,
)
from calcd.client.request import Request
from calcd.protocol.classic import Operation

__all__ = [
    "AddressError",
    "Client",
    "ClientError",
    "ConnectError",
    "ConnectionLostError",
    "DivisionByZeroError",
    "ErrorReplyError",
    "NotCalcdError",
    "OperandRangeError",
    "Operation",
    "Request",
    "ServerTimeoutError",
    "SharedClientError",
    "TooBigError",
    "UnknownProtocolError",
]
