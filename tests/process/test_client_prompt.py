"""calc-client's prompt, on a terminal."""

import sys
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
        assert ask(terminal, "div 1 0") == "division by zero"
        assert "first operand does not fit the 32 bits" in ask(terminal, "add 2147483648 1")
        assert "'0x10' is not a whole decimal number" in ask(terminal, "0x10 + 1")
        assert "unknown operation 'pow'" in ask(terminal, "pow 2 3")
        assert ask(terminal, "add 2 3") == "5"


def test_help_names_the_commands(server: CServer, tmp_path: Path) -> None:
    with prompt(server, tmp_path) as terminal:
        terminal.expect(PROMPT)
        terminal.press("help\r")
        shown = terminal.expect(PROMPT)
        for word in ("add 2 3", "sub", "mul", "div", "2 * (3 + 4) - -5", "ans", "quit", "exit", "Ctrl-D"):
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
            calc_client.receive_line(first)
            terminal.press("\x03")
            terminal.expect(PROMPT)
        terminal.press("add 20 22\r")
        with calc_client.accept(listener) as second:
            calc_client.add_one(second)
            terminal.expect("\n42\r\n")


def test_ans_is_the_last_result(server: CServer, tmp_path: Path) -> None:
    with prompt(server, tmp_path) as terminal:
        assert ask(terminal, "ans + 1") == "ans is the last result at the prompt, and there is none"
        assert ask(terminal, "6 * 7") == "42"
        assert "is no number" in ask(terminal, "1 + foo")
        assert ask(terminal, "(ans - 2) / 10") == "4"
        assert ask(terminal, "-ans") == "-4"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("7 / 2", "3\r\n7 / 2 is 3, remainder 1\r\n"),
        ("-7 / 2 + 1", "-2\r\n-7 / 2 is -3, remainder -1\r\n"),
        ("7 / 2 + 5 / (1 + 1)", "5\r\n7 / 2 is 3, remainder 1\r\n5 / 2 is 2, remainder 1\r\n"),
        ("6 / 2", "3\r\n"),
    ],
)
def test_what_a_division_loses_is_said(server: CServer, tmp_path: Path, line: str, shown: str) -> None:
    with prompt(server, tmp_path) as terminal:
        terminal.expect(PROMPT)
        terminal.press(line + "\r")
        terminal.expect(line + "\r\n")
        assert terminal.expect(PROMPT) == shown + PROMPT


def test_a_caret_points_at_a_mistake(server: CServer, tmp_path: Path) -> None:
    with prompt(server, tmp_path) as terminal:
        assert ask(terminal, "2 * (3 +") == "a number is missing"
        assert terminal.expect(PROMPT) == "    2 * (3 +\r\n            ^\r\n" + PROMPT


def in_an_odd_place(server: CServer, *program: str, **environment: str) -> Terminal:
    inherited = calc_client.environment(**environment)
    return Terminal([*program, "--server", server.address], inherited)


def test_a_byte_that_is_no_text_is_a_mistake_and_not_the_end(server: CServer, tmp_path: Path) -> None:
    environment = {"XDG_STATE_HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    with in_an_odd_place(server, *calc_client.COMMAND, **environment) as terminal:
        terminal.expect(PROMPT)
        terminal.press(b"2 + \xff\r")
        terminal.expect("the byte 0xFF, which is no UTF-8, means nothing here")
        assert ask(terminal, "add 2 3") == "5"
        terminal.expect(PROMPT)
        terminal.press("\x04")
        assert terminal.wait() == 0
    # The history has it, and the next prompt gets along with that.
    with in_an_odd_place(server, *calc_client.COMMAND, **environment) as terminal:
        assert ask(terminal, "add 2 3") == "5"


def test_without_a_home_there_is_no_history_and_all_else(server: CServer, nobodys_folder: Path) -> None:
    """As in a container, whose user is in no passwd file."""
    nobody = ("/usr/bin/setpriv", "--reuid=54321", "--clear-groups", "/usr/bin/env", "-u", "HOME")
    place = {"PYTHONPATH": str(nobodys_folder), "XDG_STATE_HOME": ""}
    with in_an_odd_place(server, *nobody, *calc_client.COMMAND, **place) as terminal:
        assert ask(terminal, "add 2 3") == "5"
        terminal.expect(PROMPT)
        terminal.press("\x04")
        assert terminal.wait() == 0
        assert terminal.shown.strip() == ""


def test_without_readline_there_is_a_prompt(server: CServer, tmp_path: Path) -> None:
    """As in a Python that was built without it."""
    start = "import sys; sys.modules['readline'] = None; from calcd.client.program import main; main.main()"
    program = (sys.executable, "-W", "error", "-c", start)
    for _ in ("the first", "one with a history"):
        with in_an_odd_place(server, *program, XDG_STATE_HOME=str(tmp_path)) as terminal:
            assert ask(terminal, "add 2 3") == "5"
            terminal.expect(PROMPT)
            terminal.press("quit\r")
            assert terminal.wait() == 0
    assert (tmp_path / "calc-client" / "history").read_text() == "add 2 3\nquit\nadd 2 3\nquit\n"


def test_the_history_keeps_the_last_thousand_lines(server: CServer, tmp_path: Path) -> None:
    file = tmp_path / "calc-client" / "history"
    file.parent.mkdir()
    file.write_text("".join(f"add {n} 1\n" for n in range(1000)))
    with prompt(server, tmp_path) as terminal:
        assert ask(terminal, "add 2 3") == "5"
        terminal.expect(PROMPT)
        terminal.press("quit\r")
        assert terminal.wait() == 0
    assert file.read_text().splitlines() == [*(f"add {n} 1" for n in range(2, 1000)), "add 2 3", "quit"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["history"]
