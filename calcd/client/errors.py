"""The errors of the client library. Each message names the thing, the cause and the remedy."""


class ClientError(Exception):
    """The base class of all errors here."""


class AddressError(ClientError, ValueError):
    """The server's address has none of the known forms."""


class ConnectError(ClientError, OSError):
    """There is no server at that address, or it cannot be reached."""


class ServerTimeoutError(ClientError, TimeoutError):
    """The server did not accept the connection, or did not answer, in time."""


class ConnectionLostError(ClientError, ConnectionError):
    """The connection ended before the answer came."""


class DivisionByZeroError(ClientError, ZeroDivisionError):
    """A division by zero has no result. Raised before anything is sent."""


class OperandRangeError(ClientError, ValueError):
    """An operand does not fit a signed 32-bit integer. Raised before anything is sent."""
