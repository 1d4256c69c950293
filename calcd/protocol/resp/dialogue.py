"""The dialogue with one client: what has come in, and what it is answered."""

from __future__ import annotations

from calcd.protocol.resp import batches, replies
from calcd.protocol.resp.client import Client
from calcd.protocol.resp.commands import UnknownCommandError, find
from calcd.protocol.resp.errors import CommandError, ProtocolError
from calcd.protocol.resp.requests import SHOWN, Requests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from calcd.protocol.resp.command import Command

# Why calcd ends the connection.
ENDED_QUIT, ENDED_PROTOCOL_ERROR, ENDED_STRANGER, ENDED_QUOTA = range(1, 5)

# What errors are counted by: the first word.
ERROR_KINDS = ("DIVBYZERO", "NOTINT", "TOOBIG", "ERR")
DIVISION_BY_ZERO, NOT_AN_INTEGER, TOO_BIG, OTHER = range(4)
_KINDS = {word: kind for kind, word in enumerate(ERROR_KINDS)}

# What only other protocols say. A browser can be made to send the first two to calcd ("cross protocol
# scripting"), and what follows them could be commands. The last one is the third line of a PROXY header in
# binary form.
_STRANGERS = {b"post", b"host:", b"proxy", b"\0"}
_FEW = 3
# Bytes of replies that the session gets at once; then it asks for more, when these are sent.
_ENOUGH = 256 * 1024
_QUEUED = b"+QUEUED\r\n"
_NO_QUOTA = 1 << 62
# Bytes that the fast way tries at once. After a command that is not for it, it tries less and less, and the
# last part goes the general way; after a success, it tries more. The least has room for 64 operands.
_MOST, _LEAST = 64 * 1024, 2048


class _StrangerError(Exception):
    """Somebody speaks another protocol."""


class Dialogue:
    """One object serves all connections of a process: it is made before the fork, so that its code is warm.

    info returns the text of INFO, whose sections are apart by an empty line; client_id the number of the
    present connection, and is called once for each at most.
    """

    __slots__ = (
        "_batch_size",
        "_client",
        "_general_until",
        "_quota",
        "_requests",
        "_unknown",
        "commands",
        "ending",
        "errors",
        "first",
    )

    def __init__(self, info: Callable[[], bytes], client_id: Callable[[], int]) -> None:
        self._client = Client(info, client_id)
        self._requests = Requests()
        self.begin(None, b"")

    def begin(self, quota: int | None, peer: bytes) -> None:
        """A new connection, from peer, which may ask quota commands; None is no limit."""
        self._client.begin(peer)
        self._requests.forget()
        self._quota = _NO_QUOTA if quota is None else quota
        self._unknown = 0
        self._batch_size = _MOST
        self._general_until = 0  # the position in the data up to which the fast ways are not tried
        # Of the replies that the session has got: how many commands had one, and how many are errors, by
        # kind. A command in a transaction counts when it is queued, and EXEC as one.
        self.commands = 0
        self.errors = [0] * len(ERROR_KINDS)
        self.ending = 0  # one of ENDED_*, once the last reply is there
        self.first = b""  # the first bytes that the client has sent
        self._count(0)

    def refusal(self, reason: str) -> bytes:
        """The reply to a command that is not answered, because calcd closes the connection."""
        return self._error(f"ERR {reason}")

    @property
    def pending(self) -> bytes:
        """The first bytes, at most 12, of a command that is not whole, or that is a protocol error."""
        return self._requests.pending

    @property
    def is_stranger(self) -> bool:
        """Whether all that came is a few commands that nobody knows, and perhaps a QUIT, as of SMTP."""
        known = self.commands - self._unknown - self._client.has_quit
        return self._unknown >= _FEW and known <= 0

    def receive(self, data: bytes) -> None:
        """Takes bytes that have arrived, more than none."""
        if self.ending:
            return
        if len(self.first) < SHOWN:
            self.first += data[: SHOWN - len(self.first)]
        self._requests.receive(data)
        self._general_until = 0

    def replies(self) -> bytes:
        """The replies to the next whole commands: some 256 KiB at most, and one reply more.

        Call it until it returns b"", then receive() more.
        """
        if self.ending:
            return b""
        requests = self._requests
        data = requests.data
        transaction = self._client.transaction
        if requests.at == len(data) and not (requests.whole or transaction.running):
            return b""
        is_between = requests.is_fresh and not (requests.at or transaction.is_open or transaction.running)
        if is_between and len(data) <= batches.MAX_ONE:
            if reply := batches.answer_one(bytes(data)):
                requests.at = len(data)
                self._count(1)
                return reply
            self._general_until = len(data)
        counted = self.commands, self.errors.copy()
        said: list[bytes] = []
        try:
            room = _ENOUGH
            while room > 0 and not self.ending and (reply := self._next()):
                said.append(reply)
                room -= len(reply)
            if self.ending == ENDED_QUOTA and requests.has_more:  # who has asked more is told
                said.append(self._error("ERR MaxRequests= is reached: calcd closes the connection"))
        except ProtocolError as error:
            said.append(self._error(f"ERR Protocol error: {error}"))
            self.ending = ENDED_PROTOCOL_ERROR
        except _StrangerError:  # as Redis, calcd says nothing, also of what it was asked in the same breath
            self.commands, self.errors = counted
            self.ending = ENDED_STRANGER
            said = []
        if self.ending not in (0, ENDED_PROTOCOL_ERROR):
            requests.forget()
        return b"".join(said)

    def _next(self) -> bytes:
        """The next reply, or a batch of replies, or b"" if there is no whole command."""
        transaction = self._client.transaction
        if transaction.running:
            reply = self._run(*transaction.running.pop())
        else:
            requests = self._requests
            is_for_batch = requests.at >= self._general_until and requests.is_between
            if is_for_batch and not transaction.is_open and (batch := self._next_batch()):
                return batch
            words = requests.next()
            if words is None:
                return b""
            reply = self._reply(words)
        if not transaction.running:
            self._count(1)
        return reply

    def _next_batch(self) -> bytes:
        """The replies to a batch of commands, or b"" if the next commands are not for the fast way."""
        requests = self._requests
        while part := requests.data[requests.at : requests.at + self._batch_size]:
            if self._quota - self.commands < len(part) // batches.MIN_COMMAND:
                break
            batch, commands, size = batches.answer(bytes(part))
            if commands:
                requests.at += size
                self._count(commands)
                self._batch_size = min(4 * self._batch_size, _MOST)
                return batch
            if len(part) <= _LEAST:
                break
            self._batch_size = max(len(part) // 8, _LEAST)
        self._general_until = requests.at + len(part)
        return b""

    def _count(self, commands: int) -> None:
        """So many commands have their reply."""
        self.commands += commands
        if self._client.has_quit:
            self.ending = ENDED_QUIT
        elif self.commands >= self._quota:
            self.ending = ENDED_QUOTA

    def _reply(self, words: list[bytes]) -> bytes:
        transaction = self._client.transaction
        try:
            command = find(words)
            if transaction.is_open and not command.is_immediate:
                transaction.add(command, words)
                return _QUEUED
        except UnknownCommandError as error:
            if words[0].lower() in _STRANGERS:
                raise _StrangerError from None
            self._unknown += 1
            transaction.abort()
            return self._error(str(error))
        except CommandError as error:
            transaction.abort()
            return self._error(str(error))
        return self._run(command, words)

    def _run(self, command: Command, words: list[bytes]) -> bytes:
        try:
            return command.run(self._client, words)
        except CommandError as error:
            return self._error(str(error))

    def _error(self, text: str) -> bytes:
        self.errors[_KINDS.get(text.partition(" ")[0], OTHER)] += 1
        return replies.error(text)
