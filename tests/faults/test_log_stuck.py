"""A log that nobody reads, and then somebody does."""

import os
import pty
import re
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.clients import Clients, connect
from support.daemon import Calcd, ask
from support.processes import wait_for

from calcd.protocol.classic import Operation

LOST = r"messages lost: (\d+), because the log took none for too long; .*"
MOST_WAITING = 10_000  # calcd.log.log


class Reader:
    """The reading end of calcd's standard error, which reads when it is told to."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._text = b""

    def is_full(self) -> bool:
        """For a reading end that is a pipe's other end as well: nothing more can be written."""
        return not select.select([], [self.fd], [], 0)[1]

    def lines(self) -> list[str]:
        """All so far, without the part that names the process."""
        while select.select([self.fd], [], [], 0)[0]:
            chunk = os.read(self.fd, 65536)
            if not chunk:
                break
            self._text += chunk
        text = self._text.decode().replace("\r\n", "\n")
        return [re.sub(r"^calcd\[\d+\]: ", "", line) for line in text.splitlines()]

    def wait_for(self, pattern: str) -> re.Match[str]:
        found: list[re.Match[str]] = []

        def has_come() -> bool:
            found[:] = [match for line in self.lines() if (match := re.fullmatch(pattern, line))]
            return bool(found)

        wait_for(has_come, f"a line like {pattern!r}")
        return found[0]


@pytest.fixture
def server(tmp_path: Path) -> str:
    """A Unix socket, so that the log need not be read to know where calcd listens."""
    return str(tmp_path / "socket")


def calcd_with_stderr(folder: Path, server: str, stderr: str | Path) -> Calcd:
    folder.mkdir()
    return Calcd(folder, listen=[f"unix:{server}"], prefix=("sh", "-c", f'exec "$@" 2>{stderr}', "sh"))


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Reader]:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR)
    yield Reader(fd)
    os.close(fd)


def fill(server: str, connections: int) -> None:
    """Each is two lines."""
    for _ in range(connections):
        with connect(server) as connection:
            assert ask(connection, Operation.ADD, 20, 22) == 42


def numbers(lines: list[str], what: str) -> list[int]:
    return [
        int(match[1]) for line in lines if (match := re.match(rf"connection (\d+) from \S+ {what}", line))
    ]


def test_a_pipe_that_nobody_reads_holds_up_nobody_and_gets_every_line_later(
    tmp_path: Path, server: str, pipe: Reader
) -> None:
    with calcd_with_stderr(tmp_path / "calcd", server, tmp_path / "pipe") as calcd:
        with Clients(server) as clients:
            wait_for(pipe.is_full, "a full pipe")
            clients.wait_for_answers()
            assert calcd.reload().returncode == 0, "the supervisor does not wait for the log either"
            clients.wait_for_answers()
            pipe.wait_for("reloaded: .*")
        wait_for(
            lambda: sorted(numbers(pipe.lines(), "ended")) == numbers(pipe.lines(), "opened"),
            "the end of every connection that was opened",
        )
        opened = numbers(pipe.lines(), "opened")
        assert opened == list(range(1, len(opened) + 1))
        calcd.stop()
        pipe.wait_for("stopped: .*")
        assert not [line for line in pipe.lines() if re.fullmatch(LOST, line)]


def test_lines_that_wait_outlive_upgrades(tmp_path: Path, server: str, pipe: Reader) -> None:
    with calcd_with_stderr(tmp_path / "calcd", server, tmp_path / "pipe") as calcd:
        while not pipe.is_full():
            fill(server, 10)
        fill(server, 50)  # what is logged of them waits in calcd
        for _ in range(3):
            assert calcd.upgrade().returncode == 0
        fill(server, 5)
        wait_for(lambda: calcd.info()["connected_clients"] == "0", "the ends of all connections")
        served = int(calcd.info()["total_connections_received"])
        wait_for(lambda: len(numbers(pipe.lines(), "ended")) >= served, "the end of each in the log")
        lines = pipe.lines()
        assert numbers(lines, "opened") == list(range(1, served + 1))
        assert sorted(numbers(lines, "ended")) == list(range(1, served + 1))
        assert len([line for line in lines if line.startswith("upgraded from ")]) == 3
        calcd.stop()


def test_what_is_too_much_to_keep_is_counted_and_the_count_is_logged_once(
    tmp_path: Path, server: str, pipe: Reader
) -> None:
    connections = MOST_WAITING // 2 + 400
    with calcd_with_stderr(tmp_path / "calcd", server, tmp_path / "pipe") as calcd:
        fill(server, connections)
        wait_for(lambda: not calcd.handlers, "the end of all handlers")
        # The order in which the supervisor does things: what was told before a reload is counted by then.
        assert calcd.reload().returncode == 0
        lost = int(pipe.wait_for(LOST)[1])
        lines = pipe.lines()
        # Those lost were the last: "serves on", two for each connection, "reloaded" make up the sum.
        assert len(lines) - 1 + lost == 1 + 2 * connections + 1
        assert lost >= 2
        fill(server, 1)
        pipe.wait_for(rf"connection {connections + 1} .* ended .*")
        assert len([line for line in pipe.lines() if re.fullmatch(LOST, line)]) == 1
        calcd.stop()


def test_a_stop_does_not_wait_for_a_log_that_nobody_reads(tmp_path: Path, server: str, pipe: Reader) -> None:
    with calcd_with_stderr(tmp_path / "calcd", server, tmp_path / "pipe") as calcd:
        while not pipe.is_full():
            fill(server, 10)
        fill(server, 50)  # what is logged of them waits in calcd
        began = time.monotonic()
        calcd.stop()
        assert time.monotonic() - began < 5, "a second is the log's, the rest a busy machine's"


def test_a_terminal_that_nobody_reads_holds_up_nobody(tmp_path: Path, server: str) -> None:
    """It takes less than a line at the end, and a write of the rest would wait."""
    ours, theirs = pty.openpty()
    terminal = Reader(ours)
    with (
        calcd_with_stderr(tmp_path / "calcd", server, os.ttyname(theirs)) as calcd,
        Clients(server) as clients,
    ):
        wait_for(lambda: not select.select([], [theirs], [], 0)[1], "a full terminal")
        assert calcd.reload().returncode == 0
        clients.wait_for_answers()
        terminal.wait_for("reloaded: .*")
        calcd.signal(signal.SIGUSR1)
        terminal.wait_for("since .*")
    for fd in (ours, theirs):
        os.close(fd)


def test_a_reader_that_leaves_and_comes_back_gets_what_it_has_missed(tmp_path: Path, server: str) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    first = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with calcd_with_stderr(tmp_path / "calcd", server, path):
        Reader(first).wait_for("calcd .* serves on .*")
        os.close(first)
        with Clients(server) as clients:
            clients.wait_for_answers()
        second = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        Reader(second).wait_for("connection 1 .* opened, .*")
    os.close(second)
