"""What calcd knows of the client of one connection, which its commands read and change."""

from __future__ import annotations

from calcd.protocol.resp.transaction import Transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Client:
    """One object serves all connections of a process, one after the other."""

    __slots__ = (
        "_client_id",
        "_id",
        "has_quit",
        "info",
        "library",
        "name",
        "peer",
        "transaction",
        "version",
    )

    def __init__(self, info: Callable[[], bytes], client_id: Callable[[], int]) -> None:
        self.info = info
        self._client_id = client_id
        self.transaction = Transaction()
        self.begin(b"")

    def begin(self, peer: bytes) -> None:
        """Another connection, from peer."""
        self._id = 0
        self.peer = peer
        self.has_quit = False
        self.library = {b"lib-name": b"", b"lib-ver": b""}
        self.reset()

    def reset(self) -> None:
        """As a new connection begins, but for what is known of the client's library."""
        self.version = 2
        self.name = b""
        self.transaction.discard()

    @property
    def id(self) -> int:
        """The connection's number."""
        if not self._id:
            self._id = self._client_id()
        return self._id
