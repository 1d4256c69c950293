"""A client that connects when it has something to ask, and tells when it had to connect again."""

from __future__ import annotations

from calcd.client.client import Client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from calcd.client.request import Reply, Request


class ReconnectingClient:
    """Connects at connect() or the first ask().

    The arguments are those of Client.
    """

    def __init__(self, server: str | None, timeout: float, *, protocol: str | None, wraps: bool) -> None:
        self.server = server  # None: the default
        self.timeout = timeout
        self.protocol = protocol
        # Called when a connection that was lost is replaced, and before its first replies are returned.
        self.on_reconnect: Callable[[], None] = lambda: None
        self._wraps = wraps
        self._client: Client | None = None
        self._told = 0  # losses

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client:
            self._client.close()

    def connect(self, server: str | None = None) -> Client:
        """Connects, to another server if one is named, and returns the Client. Raises as Client; then the
        connection that there is stays."""
        client = Client(server or self.server, self.timeout, protocol=self.protocol, wraps=self._wraps)
        if self._client:
            self._client.close()
        self._client, self.server, self._told = client, client.server, client.losses
        return client

    def ask(self, requests: Sequence[Request], replies: list[Reply]) -> None:
        """As Client.ask. Without requests, it does not connect."""
        if not requests:
            return
        client = self._client or self.connect()
        client.ask(requests, replies)
        if client.losses > self._told:
            self._told = client.losses
            self.on_reconnect()
