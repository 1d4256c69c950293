"""A connection that is made anew when it was lost: a daemon's restart does not disturb who uses it."""

import contextlib
from types import TracebackType
from typing import Self

from calcd.client.connection import Client
from calcd.client.errors import ConnectionLostError


class ReconnectingClient:
    """Connects when told or first asked, and again when the server has closed the connection meanwhile."""

    def __init__(self, server: str | None, timeout: float) -> None:
        self._server = server
        self._timeout = timeout
        self._client: Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client:
            self._client.close()

    def connect(self) -> Client:
        """Raises what Client does."""
        self._client = Client(self._server, self._timeout)
        return self._client

    def exchange(self, frames: bytes) -> list[int]:
        """As Client.exchange, on a new connection when the one there was is lost.

        Asking again is safe: the operations change nothing on the server. A new connection that is lost
        too is the caller's to know. Raises what Client and Client.exchange do.
        """
        if self._client:
            with contextlib.suppress(ConnectionLostError):
                return self._client.exchange(frames)
        return self.connect().exchange(frames)
