"""The errors of the client library. Each message names the thing, the cause and the remedy."""


class ClientError(Exception):
    """The base class of all errors here."""


class AddressError(ClientError, ValueError):
    """The server's address has none of the known forms."""


class UnknownProtocolError(ClientError, ValueError):
    """The protocol is neither resp nor classic."""


class ConnectError(ClientError, OSError):
    """There is no server at that address, or it cannot be reached."""


class ServerTimeoutError(ClientError, TimeoutError):
    """The server did not accept the connection, or did not answer, in time."""


class ConnectionLostError(ClientError, ConnectionError):
    """The connection ended before the answer came."""


class NotCalcdError(ClientError, ConnectionError):
    """What the server sent cannot be an answer: it is another program than calcd."""


class ErrorReplyError(ClientError, RuntimeError):
    """The server answered with an error that has no class of its own here."""


class DivisionByZeroError(ClientError, ZeroDivisionError):
    """A division by zero has no result."""


class TooBigError(ClientError, ValueError):
    """A number is beyond the server's limits, or a result beyond the 32 bits of the classic protocol."""


class OperandRangeError(TooBigError):
    """An operand is beyond the 32 bits of the classic protocol, or has thousands of digits. Raised before
    anything is sent."""


class SharedClientError(ClientError, RuntimeError):
    """A Client is used in a child process, or by a signal handler while it waits for an answer."""


class NotAskedError(ClientError, RuntimeError):
    """The result of a call in a pipeline that has not been asked yet, or whose with statement has failed."""
