"""What only the client for asyncio has: tasks, cancellation, event loops."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import calc_client
from support.daemon import Calcd

from calcd.client import (
    AddressError,
    AsyncClient,
    ConnectError,
    ConnectionLostError,
    ServerTimeoutError,
    SharedClientError,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as running:
        yield "{}:{}".format(*running.address)


@pytest.mark.parametrize("protocol", ["resp", "classic"])
def test_tasks_that_share_a_client_get_their_own_answers(server: str, protocol: str) -> None:
    async def ask() -> list[int]:
        async with AsyncClient(server, calc_client.DEADLINE, protocol=protocol) as c:
            return await asyncio.gather(*(c.add(n, 0) for n in range(2000)))

    assert asyncio.run(ask()) == list(range(2000))


def test_the_first_call_connects_where_nothing_else_has(server: str) -> None:
    async def ask() -> int:
        c = AsyncClient(server)
        total = await c.add(2, 3)
        await c.close()
        return total

    assert asyncio.run(ask()) == 5


def test_a_call_that_is_cancelled_leaves_its_answer_to_nobody() -> None:
    async def ask(address: str, listener: socket.socket) -> tuple[int, list[bytes]]:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        async with AsyncClient(address, calc_client.DEADLINE) as c:
            call = asyncio.create_task(c.add(1, 1))
            first, _ = await loop.sock_accept(listener)
            with first:
                received = [await loop.sock_recv(first, 100)]
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                call = asyncio.create_task(c.add(2, 2))
                second, _ = await loop.sock_accept(listener)
                with second:
                    received.append(await loop.sock_recv(second, 100))
                    await loop.sock_sendall(second, b":4\r\n")
                    return await call, received

    listener, address = calc_client.listen()
    with listener:
        assert asyncio.run(ask(address, listener)) == (4, [b"ADD 1 1    \n", b"ADD 2 2    \n"])


@pytest.mark.parametrize("is_connected", [False, True])
def test_a_close_ends_the_call_of_another_task_and_leaves_no_connection(*, is_connected: bool) -> None:
    async def ask(address: str, listener: socket.socket) -> None:
        c = AsyncClient(address, calc_client.DEADLINE)
        call = asyncio.create_task(c.add(2, 3))
        await asyncio.sleep(0)  # in which the call begins to connect
        if not is_connected:
            await c.close()
        with await asyncio.to_thread(calc_client.accept, listener) as connection:
            if is_connected:
                assert await asyncio.to_thread(calc_client.receive_line, connection) == b"ADD 2 3    \n"
                await c.close()
            with pytest.raises(ConnectionLostError, match="is closed: make a new one"):
                await call
            assert await asyncio.to_thread(connection.recv, 1) == b""
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()

    listener, address = calc_client.listen()
    with listener:
        asyncio.run(ask(address, listener))


def test_another_event_loop_cannot_use_it(server: str) -> None:
    async def ask_in_a_thread(c: AsyncClient) -> None:
        await c.add(2, 3)
        with pytest.raises(SharedClientError, match="belongs to another event loop: make one for each"):
            await asyncio.to_thread(asyncio.run, c.add(2, 3))
        await c.close()

    asyncio.run(ask_in_a_thread(AsyncClient(server)))


def test_mistakes_and_failures_are_those_of_the_other_client(tmp_path: Path) -> None:
    async def connect(server: str) -> None:
        async with AsyncClient(server, 0.2):
            pass

    with pytest.raises(AddressError, match="write HOST:PORT"):
        asyncio.run(connect("nonsense"))
    for host in ("no.such.host.invalid", "h" * 64, "ö" * 64):
        with pytest.raises(ConnectError, match="is the host's name right"):
            asyncio.run(connect(f"{host}:7070"))
    with pytest.raises(ConnectError, match="none: No such file or directory: is calcd running"):
        asyncio.run(connect(f"unix:{tmp_path}/none"))


def test_a_full_unix_queue_is_waited_for_until_the_time_is_up_or_there_is_a_place(tmp_path: Path) -> None:
    async def add(path: str) -> int:
        async with AsyncClient(f"unix:{path}", calc_client.DEADLINE) as c:
            return await c.add(2, 3)

    async def ask(path: str, listener: socket.socket) -> int:
        with pytest.raises(ServerTimeoutError, match="did not accept the connection within"):
            await AsyncClient(f"unix:{path}", 0.1).add(2, 3)
        call = asyncio.create_task(add(path))
        await asyncio.sleep(0)
        with calc_client.accept(listener):  # the first, which leaves its place
            connection = await asyncio.to_thread(calc_client.accept, listener)
        with connection:
            await asyncio.to_thread(calc_client.add_one, connection)
            return await call

    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        listener.settimeout(calc_client.DEADLINE)
        first.connect(path)
        assert asyncio.run(ask(path, listener)) == 5
