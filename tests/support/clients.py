"""Clients that are served while something goes wrong."""

import random
import socket
import threading
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from support.daemon import Calcd, ask, receive
from support.processes import DEADLINE, wait_for

from calcd.protocol.classic import Operation, encode_request

Server = tuple[str, int] | str  # a path is a Unix socket's


def connect(server: Server) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX if isinstance(server, str) else socket.AF_INET)
    try:
        connection.settimeout(DEADLINE)
        connection.connect(server)
    except OSError:
        connection.close()
        raise
    return connection


class Clients:
    """One that stays connected and one that comes and goes, in a with statement: each asks until the end,
    when every answer must have been right.

    spare is how many connections may be lost: the one that a process had in hand when it was killed.
    """

    def __init__(self, server: Server, *, spare: int = 0) -> None:
        self._server = server
        self._spare = spare
        self._lost: list[str] = []
        self._is_over = False
        self._answers = {"stays": 0, "comes and goes": 0}
        self._threads = [threading.Thread(target=run) for run in (self._stay, self._come_and_go)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.wait_for_answers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.wait_for_answers()
        finally:
            self._is_over = True
            for thread in self._threads:
                thread.join()
        assert len(self._lost) <= self._spare, self._lost

    def wait_for_answers(self) -> None:
        """Returns when the one that stays, and one that has connected after the call, have been answered."""
        before = dict(self._answers)
        # Of those that come, the first may have been connected already.
        wait_for(
            lambda: (
                (
                    self._answers["stays"] > before["stays"]
                    and self._answers["comes and goes"] > before["comes and goes"] + 1
                )
                or len(self._lost) > self._spare
            ),
            f"answers: {self._answers}",
        )
        assert len(self._lost) <= self._spare, self._lost

    def _stay(self) -> None:
        while not self._is_over and len(self._lost) <= self._spare:
            try:
                with connect(self._server) as connection:
                    while not self._is_over:
                        self._ask(connection, "stays")
            except (OSError, AssertionError) as error:
                self._lost.append(f"stays: {error!r}")

    def _come_and_go(self) -> None:
        while not self._is_over and len(self._lost) <= self._spare:
            try:
                with connect(self._server) as connection:
                    self._ask(connection, "comes and goes")
            except (OSError, AssertionError) as error:
                self._lost.append(f"comes and goes: {error!r}")

    def _ask(self, connection: socket.socket, which: str) -> None:
        a, b = random.randrange(1 << 30), random.randrange(1 << 30)
        assert ask(connection, Operation.ADD, a, b) == a + b
        self._answers[which] += 1


def serve_one_and_let_one_wait(
    calcd: Calcd, served: socket.socket, fault: AbstractContextManager[None], waits: str
) -> None:
    """While the fault lasts, and the log has a line that matches waits, who is connected gets answers, and
    who connects gets one when it is over."""
    with fault:
        calcd.wait_for_log(waits)
        waiting = calcd.connect()
        waiting.sendall(encode_request(Operation.ADD, 20, 22))
        for number in range(100):
            assert ask(served, Operation.ADD, number, number) == 2 * number
    assert receive(waiting, 1) == (42,)
    waiting.close()
