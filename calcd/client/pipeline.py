"""Calls that are asked together, without a round trip for each."""

import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from calcd.client.errors import ClientError, NotAskedError
from calcd.client.request import Reply, Request, checked
from calcd.protocol.classic import Operation

if TYPE_CHECKING:
    from calcd.client.aio import AsyncClient
    from calcd.client.client import Client


class Call:
    """A call in a pipeline. It has its result behind the with statement."""

    def __init__(self) -> None:
        self.reply: Reply = NotAskedError(
            "this call has not been asked: a pipeline asks at the end of its with statement, "
            "and only if that has no error"
        )

    def result(self) -> int:
        """Returns the result. Raises what the client's method would raise for this call."""
        if isinstance(self.reply, ClientError):
            raise self.reply
        return int(self.reply)


class Calls:
    """The calls of a pipeline. An operand that is not an integer is a TypeError at once."""

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self._calls: list[Call] = []

    def add(self, a: int, b: int) -> Call:
        """a + b."""
        return self._call(Operation.ADD, a, b)

    def sub(self, a: int, b: int) -> Call:
        """a - b."""
        return self._call(Operation.SUB, a, b)

    def mul(self, a: int, b: int) -> Call:
        """a * b."""
        return self._call(Operation.MUL, a, b)

    def div(self, a: int, b: int) -> Call:
        """a / b, truncated toward zero."""
        return self._call(Operation.DIV, a, b)

    def _call(self, operation: Operation, a: int, b: int) -> Call:
        self._requests.append(checked(operation, a, b))
        self._calls.append(Call())
        return self._calls[-1]

    @contextlib.contextmanager
    def _asked(self) -> Iterator[tuple[list[Request], list[Reply]]]:
        """Yields the requests, and takes the replies that are appended to the other list."""
        requests, calls = self._requests, self._calls
        self._requests, self._calls = [], []
        replies: list[Reply] = []
        try:
            yield requests, replies
        except ClientError as error:
            for call in calls:
                call.reply = error
            raise
        finally:
            for call, reply in zip(calls, replies, strict=False):
                call.reply = reply


class Pipeline(Calls):
    """The pipeline of a Client. The end of its with statement asks, and raises what Client.ask does. Calls
    that were answered before have their results all the same."""

    def __init__(self, client: "Client") -> None:
        super().__init__()
        self._client = client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            with self._asked() as (requests, replies):
                self._client.ask(requests, replies)


class AsyncPipeline(Calls):
    """The pipeline of an AsyncClient, in an async with statement. Else as Pipeline."""

    def __init__(self, client: "AsyncClient") -> None:
        super().__init__()
        self._client = client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            with self._asked() as (requests, replies):
                await self._client.ask(requests, replies)
