"""calc-client's progress bar, on a terminal that standard error alone is."""

import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

import pytest
from support import calc_client
from support.terminal import Terminal

BEGINNING = " lines  "  # of what the bar shows


class SlowServer:
    """Answers 1 to each line, with a rest after each piece of them."""

    def __init__(self) -> None:
        self._listener, self.address = calc_client.listen()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with calc_client.accept(self._listener) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            while data := connection.recv(1 << 14):
                time.sleep(0.03)
                connection.sendall(b":1\r\n" * data.count(b"\n"))


def start(server: SlowServer, redirection: str, *options: str, columns: int = 100) -> Terminal:
    command = ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *calc_client.COMMAND]
    command += ["--server", server.address, *options]
    return Terminal(command, calc_client.environment(), columns=columns)


def on_screen(shown: str) -> list[str]:
    """The lines that are left when all is written, without blanks at their ends."""
    lines = []
    for line in shown.replace("\r\n", "\n").split("\n"):
        cells: list[str] = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """So many that the slow server takes more than a second."""
    path = tmp_path / "lines"
    path.write_text("1 + 0\n" * 150_000)
    return path


def test_what_takes_long_shows_how_far_it_is_and_leaves_no_trace(tmp_path: Path, lines: Path) -> None:
    with SlowServer() as server, start(server, f"<{lines} >{tmp_path}/out") as terminal:
        shown = terminal.expect(" left")
        assert BEGINNING in shown
        assert "/s  [" in shown
        assert terminal.wait() == 0
        assert on_screen(shown + terminal.shown) == [""]
    assert (tmp_path / "out").read_text() == "1\n" * 150_000


def test_a_pipe_has_no_end_to_count_down_to_and_errors_have_lines_of_their_own(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    is_shown = threading.Event()

    def write_slowly() -> None:
        with fifo.open("wb", buffering=0) as writer:
            while not is_shown.wait(0.02):
                writer.write(b"1 + 0\n")
            writer.write(b"what\n1 + 0\nthat\n")

    writing = threading.Thread(target=write_slowly)
    with SlowServer() as server, start(server, f"<{fifo} >{tmp_path}/out") as terminal:
        writing.start()
        shown = terminal.expect(BEGINNING)
        is_shown.set()
        assert terminal.wait() == 65
        writing.join()
        shown += terminal.shown
    assert " left" not in shown
    *errors, last = on_screen(shown)
    assert [error.partition(": ")[2].partition(", column 1: ")[2] for error in errors] == [
        "unknown operation 'what': there are add, sub, mul and div",
        "unknown operation 'that': there are add, sub, mul and div",
    ]
    assert all(error.startswith("calc-client: line ") for error in errors)
    assert last == ""


def test_a_narrow_terminal_has_a_line_that_fits(tmp_path: Path, lines: Path) -> None:
    with SlowServer() as server, start(server, f"<{lines} >{tmp_path}/out", columns=20) as terminal:
        shown = terminal.expect(BEGINNING)
        assert terminal.wait() == 0
        drawn = (shown + terminal.shown).split("\r")
        assert max(map(len, drawn)) == 19


@pytest.mark.parametrize("unless", ["--quiet", "no terminal"])
def test_who_does_not_want_it_or_has_no_terminal_sees_none(tmp_path: Path, lines: Path, unless: str) -> None:
    redirection, options = ("", ["--quiet"]) if unless == "--quiet" else (f"2>{tmp_path}/err", [])
    with (
        SlowServer() as server,
        start(server, f"<{lines} >{tmp_path}/out {redirection}", *options) as terminal,
    ):
        assert terminal.wait() == 0
        assert terminal.shown == ""
    assert not redirection or (tmp_path / "err").read_text() == ""


def test_answers_on_the_terminal_have_no_bar_among_them(lines: Path) -> None:
    with SlowServer() as server, start(server, f"<{lines}") as terminal:
        assert terminal.wait() == 0
        assert set(terminal.shown.split()) == {"1"}


def test_a_terminal_that_is_closed_ends_nothing(tmp_path: Path, lines: Path) -> None:
    ours, theirs = os.openpty()
    with SlowServer() as server, lines.open() as given, (tmp_path / "out").open("w") as output:
        client = subprocess.Popen(
            [*calc_client.COMMAND, "--server", server.address],
            stdin=given,
            stdout=output,
            stderr=theirs,
            env=calc_client.environment(),
        )
        os.close(theirs)
        shown = ""
        while BEGINNING not in shown:
            shown += os.read(ours, 4096).decode()
        os.close(ours)
        assert client.wait(calc_client.DEADLINE) == 0
    assert (tmp_path / "out").read_text() == "1\n" * 150_000
