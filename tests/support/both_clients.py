"""The library's two clients, each as a Client, so that a test can be that of both."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

import pytest

from calcd.client import AsyncClient, Client, Operation
from calcd.client.pipeline import Calls


class RunAsyncClient:
    """An AsyncClient whose calls are run to their end."""

    def __init__(
        self, server: str, timeout: float = 10.0, *, protocol: str | None = None, wraps: bool = False
    ) -> None:
        self._runner = asyncio.Runner(debug=True)
        self._client = AsyncClient(server, timeout, protocol=protocol, wraps=wraps)
        self._runner.run(self._client.__aenter__())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._runner.close()

    def add(self, a: int, b: int) -> int:
        return self._runner.run(self._client.add(a, b))

    def sub(self, a: int, b: int) -> int:
        return self._runner.run(self._client.sub(a, b))

    def mul(self, a: int, b: int) -> int:
        return self._runner.run(self._client.mul(a, b))

    def div(self, a: int, b: int) -> int:
        return self._runner.run(self._client.div(a, b))

    def compute(self, requests: Iterable[tuple[Operation, int, int]]) -> list[int]:
        return self._runner.run(self._client.compute(requests))

    @contextlib.contextmanager
    def pipeline(self) -> Iterator[Calls]:
        pipeline = self._client.pipeline()
        with contextlib.ExitStack() as ending:
            ending.push(lambda *error: self._runner.run(pipeline.__aexit__(*error)))
            yield pipeline

    def close(self) -> None:
        self._runner.run(self._client.close())


AnyClient = Client | RunAsyncClient
MakeClient = Callable[..., AnyClient]
BOTH: list[MakeClient] = [Client, RunAsyncClient]
both_protocols = pytest.mark.parametrize("protocol", ["resp", "classic"])
