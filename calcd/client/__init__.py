"""A Python library for asking calcd.

    import calcd.client

    with calcd.client.Client("127.0.0.1:7070", timeout=2) as c:
        print(c.add(2, 3))

AsyncClient is the same for asyncio, which is imported when somebody asks for that name.

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
    NotAskedError,
    NotCalcdError,
    OperandRangeError,
    ServerTimeoutError,
    SharedClientError,
    TooBigError,
    UnknownProtocolError,
)
from calcd.client.request import Request
from calcd.protocol.classic import Operation

TYPE_CHECKING = False  # typing itself takes a tenth of the time of one answer
if TYPE_CHECKING:
    from calcd.client.aio import AsyncClient
else:

    def __getattr__(name: str) -> object:  # PEP 562
        if name == "AsyncClient":
            from calcd.client.aio import AsyncClient  # noqa: PLC0415 asyncio takes longer than an answer

            return AsyncClient
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "AddressError",
    "AsyncClient",
    "Client",
    "ClientError",
    "ConnectError",
    "ConnectionLostError",
    "DivisionByZeroError",
    "ErrorReplyError",
    "NotAskedError",
    "NotCalcdError",
    "OperandRangeError",
    "Operation",
    "Request",
    "ServerTimeoutError",
    "SharedClientError",
    "TooBigError",
    "UnknownProtocolError",
]
