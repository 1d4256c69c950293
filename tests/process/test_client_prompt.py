"""calc-client's prompt, on a terminal."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import calc_client
from support.c_server import CServer
from support.terminal import Terminal

PROMPT = "calc> "


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CServer]:
    with CServer(tmp_path_factory.mktemp("c")) as running:
        yield running


def prompt(server: CServer, state: Path, *arguments: str) -> Terminal:
    command = [*calc_client.COMMAND, "--server", server.address, *arguments]
    return Terminal(command, calc_client.environment(XDG_STATE_HOME=str(state)))


def ask(terminal: Terminal, line: str) -> str:
    """Types the line at the prompt and returns what is shown for it."""
    terminal.expect(PROMPT)
    terminal.press(line + "\r")
    terminal.expect("\n")
    return terminal.expect("\n").strip()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("add 2 3", "5"),
        ("add 2, 3", "5"),
        ("2 + 3", "5"),
        ("-2 - -3", "1"),
        ("2 * 3", "6"),
        ("7 / 2", "3"),
    ],
)
def test_a_line_is_answered(server: CServer, tmp_path: Path, line: str, answer: str) -> None:
    with prompt(server, tmp_path) as terminal:
        assert ask(terminal, line) == answer
        terminal.expect(PROMPT)
        terminal.press("quit\r")
        assert terminal.wait() == 0


def test_a_mistake_is_explained_and_the_prompt_goes_on(server: CServer, tmp_path: Path) -> None:
    with prompt(server, tmp_path) as terminal:
        assert ask(terminal, "div 1 0") == "division by zero has no answer"
        assert "first operand does not fit 32 bits" in ask(terminal, "add 2147483648 1")
        assert "'0x10' is not a whole decimal number" in ask(terminal, "0x10 + 1")
        assert "unknown operation 'pow'" in ask(terminal, "pow 2 3")
        assert ask(terminal, "add 2 3") == "5"


def test_help_names_the_commands(server: CServer, tmp_path: Path) -> None:
    with prompt(server, tmp_path) as terminal:
        terminal.expect(PROMPT)
        terminal.press("help\r")
        shown = terminal.expect(PROMPT)
        for word in ("add 2 3", "sub", "mul", "div", "quit", "exit", "Ctrl-D"):
            assert word in shown


@pytest.mark.parametrize("keys", ["quit\r", "exit\r", "\x04"])
def test_there_are_three_ways_out(server: CServer, tmp_path: Path, keys: str) -> None:
    with prompt(server, tmp_path) as terminal:
        terminal.expect(PROMPT)
        terminal.press(keys)
        assert terminal.wait() == 0


def test_ctrl_c_abandons_the_line_and_only_that(server: CServer, tmp_path: Path) -> None:
    with prompt(server, tmp_path) as terminal:
        terminal.expect(PROMPT)
        terminal.press("add 100 ")
        terminal.expect("add 100 ")
        terminal.settle()
        terminal.press("\x03")
        assert ask(terminal, "add 2 3") == "5"


def test_tab_completes_the_commands(server: CServer, tmp_path: Path) -> None:
    with prompt(server, tmp_path) as terminal:
        terminal.expect(PROMPT)
        terminal.press("su\t5 3\r")
        terminal.expect("sub 5 3\r\n")
        assert terminal.expect("\n").strip() == "2"


def test_the_history_outlives_the_prompt(server: CServer, tmp_path: Path) -> None:
    with prompt(server, tmp_path) as terminal:
        assert ask(terminal, "add 20 22") == "42"
        terminal.expect(PROMPT)
        terminal.press("\x04")
        assert terminal.wait() == 0
    assert (tmp_path / "calc-client" / "history").read_text() == "add 20 22\n"
    with prompt(server, tmp_path) as terminal:
        assert ask(terminal, "\x10") == "42"  # Ctrl-P: the line before
        terminal.expect(PROMPT)
        terminal.press("quit\r")
        assert terminal.wait() == 0
    assert (tmp_path / "calc-client" / "history").read_text() == "add 20 22\nquit\n"


def test_a_history_that_cannot_be_saved_is_done_without(server: CServer) -> None:
    with prompt(server, Path("/dev/null")) as terminal:
        assert ask(terminal, "add 2 3") == "5"
        terminal.expect(PROMPT)
        terminal.press("\x04")
        assert terminal.wait() == 0
        assert terminal.shown.strip() == ""


def test_a_restarted_server_is_not_noticed(server: CServer, tmp_path: Path) -> None:
    with prompt(server, tmp_path) as terminal:
        assert ask(terminal, "add 2 3") == "5"
        server.kill()
        server.start()
        assert ask(terminal, "add 20 22") == "42"


def test_a_server_that_is_down_is_told_and_found_again_later(server: CServer, tmp_path: Path) -> None:
    with prompt(server, tmp_path) as terminal:
        assert ask(terminal, "add 2 3") == "5"
        server.kill()
        assert f"cannot connect to {server.address}: Connection refused" in ask(terminal, "add 2 3")
        server.start()
        assert ask(terminal, "add 20 22") == "42"


def test_without_a_server_there_is_no_prompt(server: CServer, tmp_path: Path) -> None:
    server.kill()
    with prompt(server, tmp_path) as terminal:
        assert terminal.wait() == 69
        assert "systemctl status calcd.socket" in terminal.shown
        assert PROMPT not in terminal.shown


def test_a_silent_server_is_told_and_the_prompt_goes_on(tmp_path: Path) -> None:
    listener, address = calc_client.listen()
    environment = calc_client.environment(XDG_STATE_HOME=str(tmp_path))
    command = [*calc_client.COMMAND, "--server", address, "--timeout", "0.2"]
    with listener, Terminal(command, environment) as terminal:
        assert "did not answer within 0.2 s" in ask(terminal, "add 2 3")
        terminal.expect(PROMPT)


def test_ctrl_c_while_waiting_drops_the_question_and_not_the_prompt(tmp_path: Path) -> None:
    listener, address = calc_client.listen()
    environment = calc_client.environment(XDG_STATE_HOME=str(tmp_path))
    with listener, Terminal([*calc_client.COMMAND, "--server", address], environment) as terminal:
        with calc_client.accept(listener) as first:
            terminal.expect(PROMPT)
            terminal.press("add 2 3\r")
            assert len(first.recv(12)) == 12
            terminal.press("\x03")
            terminal.expect(PROMPT)
        terminal.press("add 20 22\r")
        with calc_client.accept(listener) as second:
            calc_client.answer_one(second)
            terminal.expect("\n42\r\n")
