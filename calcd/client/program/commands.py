"""Commands of RESP that are no calculations: their replies are text."""

import re
from collections.abc import Iterable

from calcd.client.client import complete
from calcd.client.connection import Connection
from calcd.client.errors import ClientError, ErrorReplyError, NotCalcdError
from calcd.client.request import Reply, Request
from calcd.client.resp import Resp, printable, shown
from calcd.client.session import server_name
from calcd.client.stream import open_stream
from calcd.protocol.classic import Operation

_LINE = re.compile(rb"([+-])([^\r\n]{0,1024})\r\n")
_BULK = re.compile(rb"\$([0-9]{1,7})\r\n")
_BEGINNING = re.compile(rb"[+-][^\r\n]{0,1024}\r?|\$[0-9]{0,7}\r?")
# A Connection counts requests, and leaves what they are to its protocol.
_ONCE = [Request(Operation.QUIT, 0, 0)]


class Commands:
    """A connection for the commands."""

    def __init__(self, server: str | None, timeout: float) -> None:
        """server is as for Client. Raises as open_stream."""
        self._texts = _Texts()
        complete(self._connect(server_name(server), timeout))

    def ask(self, *words: str) -> str:
        """Returns the reply, of one line or of many. Raises as Connection.ask, and ErrorReplyError."""
        self._texts.command = " ".join(words).encode(errors="surrogateescape") + b"\n"
        replies: list[Reply] = []
        complete(self._connection.ask(_ONCE, replies))
        (reply,) = replies
        if isinstance(reply, ClientError):
            raise reply
        return reply

    def close(self) -> None:
        self._connection.close()

    async def _connect(self, server: str, timeout: float) -> None:
        self._connection = Connection(server, timeout, self._texts, await open_stream(server, timeout))


class _Texts(Resp):
    """RESP as far as these commands need it."""

    def __init__(self) -> None:
        super().__init__()
        self.command = b""

    def encode(self, requests: Iterable[Request]) -> list[bytes | ClientError]:
        return [self.command for _ in requests]

    def decode(self, data: bytes, replies: list[Reply]) -> None:
        data = self.rest + data
        self.rest = b""
        if line := _LINE.fullmatch(data):
            text = printable(line[2])
            is_error = line[1] == b"-"
            replies.append(ErrorReplyError(f"the server's answer is an error: {text}") if is_error else text)
        elif bulk := _BULK.match(data):
            end = bulk.end() + int(bulk[1])
            if data[end:] == b"\r\n":
                lines = data[bulk.end() : end].split(b"\r\n")
                replies.append("\n".join(map(printable, lines)))
            elif b"\r\n".startswith(data[end:]):
                self.rest = data
            else:
                raise NotCalcdError(shown(data))
        elif _BEGINNING.fullmatch(data):
            self.rest = data
        else:
            raise NotCalcdError(shown(data))
