"""What can go wrong when asking calcd. Each message names the thing, the cause and the remedy."""


class ClientError(Exception):
    """The base of all of them."""


class AddressError(ClientError, ValueError):
    """The server's address is not written in one of the forms that exist."""


class ConnectError(ClientError, OSError):
    """There is no server at that address, or it cannot be reached."""


class ServerTimeoutError(ClientError, TimeoutError):
    """The server did not accept the connection, or did not answer, in time."""


class ConnectionLostError(ClientError, ConnectionError):
    """The connection ended before the answer came."""


class DivisionByZeroError(ClientError, ZeroDivisionError):
    """Raised before anything is sent."""


class OperandRangeError(ClientError, ValueError):
    """An operand does not fit a signed 32-bit integer. Raised before anything is sent."""
