"""What stands between a request and its reply: the errors that a client is told of."""


class CommandError(Exception):
    """A command gets an error for a reply, and the connection goes on.

    The text begins with a word in capitals, by which clients tell errors apart.
    """


class ProtocolError(Exception):
    """The bytes are no request, so nobody knows where the next one begins: the connection ends.

    The text is Redis's, without "ERR Protocol error: ".
    """


def wrong_number(name: str) -> CommandError:
    """The error of a command that has too few arguments, or too many. name is the full one: "client|id"."""
    return CommandError(f"ERR wrong number of arguments for '{name}' command")


def shown(word: bytes, length: int = 128) -> str:
    """A client's word, as an error shows it. 128 bytes are what Redis shows."""
    return word[:length].decode("latin-1")
