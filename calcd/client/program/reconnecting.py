"""A connection that reconnects when it is lost, so that a restart of the daemon does not disturb its user."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from calcd.client.client import Client
from calcd.client.errors import ConnectionLostError
from calcd.client.request import Reply, Request


class ReconnectingClient:
    """Connects at connect() or the first ask(), and again if the server has closed the connection.

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
        self._was_lost = False

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
        self._client, self.server = client, client.server
        return client

    def ask(self, requests: Sequence[Request], replies: list[Reply]) -> None:
        """As Client.ask. If the connection is lost, it asks for the rest on a new one, and again, as long as
        each of them brings a reply.

        This is safe, because the operations change nothing on the server. Raises as Client and Client.ask.
        """
        asked: Sequence[Request] = requests
        first = len(replies)
        while asked:
            before = len(replies)
            is_new = self._client is None
            try:
                (self._client or self.connect()).ask(asked, replies)
            except ConnectionLostError:
                if is_new and len(replies) == before:
                    raise
                self._was_lost = True
            except KeyboardInterrupt:
                self._client = None  # it is closed, and nothing was lost
                raise
            else:
                if self._was_lost:
                    self._was_lost = False
                    self.on_reconnect()
            if len(replies) - first < len(requests):
                self._client = None
            asked = requests[len(replies) - first :]
