"""A connection that reconnects when it is lost, so that a restart of the daemon does not disturb its user."""

import contextlib
from types import TracebackType
from typing import Self

from calcd.client.connection import Client
from calcd.client.errors import ConnectionLostError


class ReconnectingClient:
    """Connects at connect() or the first exchange(), and again if the server has closed the connection."""

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
        """Connects, and returns the Client. Raises as Client."""
        self._client = Client(self._server, self._timeout)
        return self._client

    def exchange(self, frames: bytes) -> list[int]:
        """As Client.exchange. If the connection is lost, it asks again, on a new one.

        This is safe, because the operations change nothing on the server. Raises as Client and
        Client.exchange, also if the new connection is lost.
        """
        if self._client:
            with contextlib.suppress(ConnectionLostError):
                return self._client.exchange(frames)
        return self.connect().exchange(frames)
