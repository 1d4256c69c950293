"""A connection that reconnects when it is lost, so that a restart of the daemon does not disturb its user."""

from collections.abc import Sequence
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
        self._server = server
        self._timeout = timeout
        self._protocol = protocol
        self._wraps = wraps
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
        self._client = Client(self._server, self._timeout, protocol=self._protocol, wraps=self._wraps)
        return self._client

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
            if len(replies) - first < len(requests):
                self._client = None
            asked = requests[len(replies) - first :]
