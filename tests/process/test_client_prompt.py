"""calc-client's prompt, on a terminal."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import calc_client
from support.c_server import CServer
from support.daemon import Calcd
from support.terminal import Terminal

PROMPT = "calc> "
BRACKETED_PASTE_ON = "\x1b[?2004h"
NO_WISHES = {"NO_COLOR": "", "CLICOLOR": "", "CLICOLOR_FORCE": ""}


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
        for word in (
            "add 2 3",
            "sub",
            "mul",
            "div",
            "2 * (3 + 4) - -5",
            "ans",
            "info",
            "connect",
            "timing",
            "quit",
            "exit",
            "Ctrl-D",
        ):
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


def test_a_restarted_server_is_told_of_once(server: CServer, tmp_path: Path) -> None:
    with prompt(server, tmp_path) as terminal:
        for _ in range(2):
            assert ask(terminal, "add 2 3") == "5"
            server.kill()
            server.start()
            said = f"The connection was lost. Connected to {server.address} again."
            assert ask(terminal, "add 20 22") == said
            assert terminal.expect("\n").strip() == "42"
            assert ask(terminal, "add 20 23") == "43"


def test_a_server_that_is_down_is_told_and_found_again_later(server: CServer, tmp_path: Path) -> None:
    with prompt(server, tmp_path) as terminal:
        assert ask(terminal, "add 2 3") == "5"
        server.kill()
        for _ in range(2):
            assert f"cannot connect to {server.address}: Connection refused" in ask(terminal, "add 2 3")
        server.start()
        assert ask(terminal, "add 20 22").endswith(f"Connected to {server.address} again.")
        assert terminal.expect("\n").strip() == "42"


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


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as running:
        yield "{}:{}".format(*running.address)


def at(address: str, state: Path, *, kind: str = "dumb", **environment: str) -> Terminal:
    inherited = calc_client.environment(XDG_STATE_HOME=str(state), **environment)
    return Terminal([*calc_client.COMMAND, "--server", address], inherited, kind=kind)


@pytest.mark.parametrize("lines", ["1 + 1\n2 + 2\n3 + 3\n", "1 + 1\r2 + 2\r3 + 3\r"])
def test_each_line_of_a_paste_is_answered(calcd: str, tmp_path: Path, lines: str) -> None:
    with at(calcd, tmp_path, kind="xterm", NO_COLOR="1") as terminal:
        shown = terminal.expect(PROMPT)
        terminal.settle()
        terminal.press(lines)
        for answer in ("2", "4", "6"):
            shown += terminal.expect(f"\n{answer}\r\n")
        assert BRACKETED_PASTE_ON not in shown


def test_a_paste_in_brackets_has_an_answer_for_each_line_too(calcd: str, tmp_path: Path) -> None:
    """As where readline has it on."""
    start = (
        "import ctypes; from calcd.client.program import main, prompt; "
        "library = ctypes.CDLL(prompt.readline.__file__); "
        "library.rl_variable_bind(b'enable-bracketed-paste', b'on'); main.main()"
    )
    environment = calc_client.environment(XDG_STATE_HOME=str(tmp_path), CALCD_SERVER=calcd, NO_COLOR="1")
    with Terminal([sys.executable, "-W", "error", "-c", start], environment, kind="xterm") as terminal:
        terminal.expect(BRACKETED_PASTE_ON)
        terminal.settle()
        terminal.press("\x1b[200~1 + 1\n2 + 2\n3 + 3\x1b[201~\r")
        terminal.expect("\r2\r\n4\r\n6\r\n")
        terminal.press("quit\r")
        assert terminal.wait() == 0
    history = (tmp_path / "calc-client" / "history").read_text()
    assert history == "1 + 1\n2 + 2\n3 + 3\nquit\n"


def test_info_is_shown_at_the_prompt_too(calcd: str, server: CServer, tmp_path: Path) -> None:
    with at(calcd, tmp_path) as terminal:
        assert ask(terminal, "info clients") == "# Clients"
        assert "maxclients:" in terminal.expect(PROMPT)
        terminal.press("info nonsense\r")
        terminal.expect("there is no section 'nonsense': there are server, ")
        assert ask(terminal, "2 + 3") == "5"
        assert ask(terminal, "info a b") == "info takes one word"
    with prompt(server, tmp_path, "--classic") as terminal:
        assert ask(terminal, "info") == "info needs RESP: start calc-client without --classic"


def test_another_server_can_be_asked(calcd: str, server: CServer, tmp_path: Path) -> None:
    with at(calcd, tmp_path) as terminal:
        assert ask(terminal, "2147483647 + 1") == "2147483648"
        assert ask(terminal, f"connect {server.address}") == f"calcd at {server.address}."
        assert "does not fit the 32 bits" in ask(terminal, "ans + 1")
        for other, said in (
            ("nonsense", "server 'nonsense': write HOST:PORT"),
            ("127.0.0.1:1", "cannot connect to 127.0.0.1:1"),
            ("", "an address is missing: connect HOST:PORT"),
        ):
            assert said in ask(terminal, f"connect {other}")
        assert ask(terminal, "1 + 1") == "2"


def test_the_time_of_an_answer_is_told_to_who_wants_it(calcd: str, tmp_path: Path) -> None:
    with at(calcd, tmp_path) as terminal:
        terminal.expect(PROMPT)
        terminal.press("timing on\r")
        assert ask(terminal, "1 + 1") == "2"
        assert re.fullmatch(r"\d+\.\d{3} ms", terminal.expect("\n").strip())
        terminal.expect(PROMPT)
        terminal.press("timing off\r")
        terminal.expect(PROMPT)
        terminal.press("1 + 1\r")
        assert "ms" not in terminal.expect(PROMPT)
        terminal.press("timing\r")
        terminal.expect("timing is on or off")


def test_tab_completes_what_stands_behind_timing(calcd: str, tmp_path: Path) -> None:
    with at(calcd, tmp_path) as terminal:
        terminal.expect(PROMPT)
        terminal.press("tim\tof\t\r")
        terminal.expect("timing off \r\n")


PLAIN = ("\n5\r\n", "\ndivision by zero\r\n")
COLOURED = ("\x1b[1m5\x1b[0m\r\n", "\x1b[31mdivision by zero\x1b[0m\r\n")


@pytest.mark.parametrize(
    ("kind", "environment", "shown"),
    [
        ("xterm", {}, COLOURED),
        ("dumb", {}, PLAIN),
        ("xterm", {"NO_COLOR": "1"}, PLAIN),
        ("xterm", {"NO_COLOR": ""}, COLOURED),
        ("xterm", {"CLICOLOR": "0"}, PLAIN),
        ("xterm", {"CLICOLOR": "1"}, COLOURED),
        ("dumb", {"CLICOLOR_FORCE": "1"}, COLOURED),
        ("dumb", {"CLICOLOR_FORCE": "0"}, PLAIN),
        ("dumb", {"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, PLAIN),
    ],
)
def test_colours_are_for_those_who_see_and_want_them(
    calcd: str, tmp_path: Path, kind: str, environment: dict[str, str], shown: tuple[str, str]
) -> None:
    with at(calcd, tmp_path, kind=kind, **{**NO_WISHES, **environment}) as terminal:
        terminal.expect(PROMPT)
        for line, answer in zip(("2 + 3", "1 / 0"), shown, strict=True):
            terminal.settle()
            terminal.press(line + "\r")
            terminal.expect(answer)


def test_there_are_no_colours_where_there_is_no_terminal() -> None:
    ended = calc_client.run("2 +", env=calc_client.environment(TERM="xterm", **NO_WISHES))
    assert "\x1b" not in ended.stderr
    forced = calc_client.environment(**{**NO_WISHES, "CLICOLOR_FORCE": "1"})
    ended = calc_client.run("2 +", env=forced)
    assert ended.stderr.startswith("\x1b[31mcalc-client:\x1b[0m a number is missing\n")


def test_a_readline_that_is_libedit_completes_and_remembers_too(calcd: str, tmp_path: Path) -> None:
    """As in Pythons that are not linked with GNU's. Preloaded, libedit takes the place of that one."""
    libedit = {"LD_PRELOAD": "libedit.so.2", "NO_COLOR": "1"}
    python = [sys.executable, "-c", "import readline; print(readline.__doc__)"]
    environment = calc_client.environment(**libedit)
    asked = subprocess.run(python, env=environment, capture_output=True, text=True, check=True)
    assert "libedit" in asked.stdout
    assert asked.stderr == ""
    for _ in range(2):
        with at(calcd, tmp_path, kind="xterm", **libedit) as terminal:
            terminal.expect(PROMPT)
            terminal.settle()
            terminal.press("su\t5 3\r")
            assert "sub" not in terminal.expect("\r\n2\r\n")  # completed, and not typed
            terminal.expect(PROMPT)
            terminal.settle()
            terminal.press("add 100 ")
            terminal.expect("add 100 ")
            terminal.settle()
            terminal.press("\x03")
            terminal.expect(PROMPT)
            terminal.settle()
            terminal.press("2 + 2\n3 + 3\n")
            for answer in ("4", "6"):
                terminal.expect(f"\r\n{answer}\r\n")
            terminal.expect(PROMPT)
            terminal.settle()
            terminal.press("\x10\x10\x10\r")  # Ctrl-P: the third line before
            terminal.expect("\r\n2\r\n")
            terminal.expect(PROMPT)
            terminal.press("\x04")
            assert terminal.wait() == 0
    history = (tmp_path / "calc-client" / "history").read_text()
    assert history == "sub 5 3\n2 + 2\n3 + 3\nsub 5 3\n2 + 2\n3 + 3\nsub 5 3\n"
