"""A Python library for asking calcd.

    import calcd.client

    with calcd.client.Client("127.0.0.1:7070", timeout=2) as c:
        print(c.add(2, 3))

The errors that it raises are ClientErrors. Each is also the built-in exception that a caller would expect.
"""

from calcd.client.connection import Client, Request
from calcd.client.errors import (
    AddressError,
    ClientError,
    ConnectError,
    ConnectionLostError,
    DivisionByZeroError,
    OperandRangeError,
    ServerTimeoutError,
)
from calcd.protocol.classic import Operation

__all__ = [
    "AddressError",
    "Client",
    "ClientError",
    "ConnectError",
    "ConnectionLostError",
    "DivisionByZeroError",
    "OperandRangeError",
    "Operation",
    "Request",
    "ServerTimeoutError",
]
