"""Commands that wait for EXEC."""

from __future__ import annotations

from calcd.protocol.resp.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calcd.protocol.resp.command import Command

MAX_COMMANDS = 10_000
# Bytes of all names and arguments, and one for each of them: an empty one takes memory as well.
MAX_SIZE = 1024 * 1024


class Transaction:
    """From MULTI to EXEC or DISCARD."""

    __slots__ = ("_size", "is_aborted", "is_open", "queue", "running")

    def __init__(self) -> None:
        self.discard()

    def discard(self) -> None:
        self.is_open = False
        self.is_aborted = False
        self.queue: list[tuple[Command, list[bytes]]] = []
        self._size = 0
        # The commands that EXEC has still to answer, the last one first.
        self.running: list[tuple[Command, list[bytes]]] = []

    def abort(self) -> None:
        """A command could not be queued: EXEC will run none."""
        self.is_aborted = self.is_open
        self.queue = []

    def add(self, command: Command, words: list[bytes]) -> None:
        """Raises CommandError, and aborts, if that is more than calcd keeps."""
        if self.is_aborted:
            return
        self._size += sum(map(len, words)) + len(words)
        if len(self.queue) == MAX_COMMANDS or self._size > MAX_SIZE:
            self.abort()
            raise CommandError(f"ERR a transaction has at most {MAX_COMMANDS} commands and {MAX_SIZE} bytes")
        self.queue.append((command, words))

    def execute(self) -> int:
        """Moves what is queued to what runs. Returns how many commands that are."""
        queue = self.queue
        self.discard()
        queue.reverse()
        self.running = queue
        return len(queue)
