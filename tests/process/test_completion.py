"""What the Tab key offers for calcd and calc-client, in bash, zsh and fish as they are installed."""

import enum
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from support.daemon import TREE
from support.terminal import Terminal

from calcd.client.program import arguments as client
from calcd.client.program import grammar
from calcd.launch import options
from calcd.settings import values
from calcd.settings.table import ROWS

PROMPT = "ready> "
END = "END"  # typed behind the Tab, so it is shown when the shell is done with that
# Bells, escape sequences, and what is overwritten.
INVISIBLE = re.compile(r"\a|\x1b\[[?0-9]*[A-Za-z]|[^\x08]\x08")

# Lines are entered to be rid of them, so that the programs had better do nothing. (Ctrl-C would be seen
# late by a shell that does not wait for a key just then.)
PROGRAMS = "calcd() { :; }\ncalc-client() { :; }\n"
# Each sets its prompt last, and in two parts: what is typed is shown as well, and must not look like it.
BASH = """. /usr/share/bash-completion/bash_completion
bind 'set show-all-if-ambiguous on' 'set completion-query-items 0' 'set page-completions off'
PS1='rea''dy> '"""
ZSH = """fpath=($DATA/zsh/vendor-completions $fpath); autoload -U compinit; compinit -D -u
LISTMAX=9999; zstyle ':completion:*' verbose no
PS1='rea''dy> '"""


class Shell(Protocol):
    """One that completes."""

    def offered(self, line: str) -> set[str]:
        """The words that are listed, because there are several."""

    def completed(self, line: str) -> str:
        """The line as it is after the Tab, without the blank or the = that a shell may put behind a word."""


class AtPrompt:
    """Somebody at a prompt who presses Tab."""

    def __init__(self, terminal: Terminal, start: str) -> None:
        self._terminal = terminal
        terminal.press((PROGRAMS + start).replace("\n", "; ") + "\r")
        terminal.expect(PROMPT)

    def _press_tab(self, line: str) -> list[str]:
        self._terminal.press(f"{line}\t{END}")
        shown = self._terminal.expect(END).removesuffix(END)
        self._terminal.press("\r")
        self._terminal.expect(PROMPT)
        return INVISIBLE.sub("", shown).replace("\\", "").splitlines()

    def offered(self, line: str) -> set[str]:
        """The words that are listed, because there are several."""
        _, *listed, again = self._press_tab(line)
        assert again.startswith(PROMPT), f"not a list: {again!r}"
        return set(" ".join(listed).split())

    def completed(self, line: str) -> str:
        """The line as it is after the Tab, without the blank or the = that a shell may put behind a word."""
        return self._press_tab(line)[-1].removeprefix(PROMPT).rstrip(" =")


class Fish:
    """fish, which says by itself what it offers."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def _offers(self, line: str) -> list[str]:
        # fish offers nothing for a command that there is not.
        script = "function calcd; end; function calc-client; end; complete -C $argv[1]"
        command = ["/usr/bin/fish", "--private", "-c", script, line]
        asked = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=True)
        assert asked.stderr == ""
        return [offer.partition("\t")[0] for offer in asked.stdout.splitlines()]

    def offered(self, line: str) -> set[str]:
        offers = self._offers(line)
        last = line.rpartition(" ")[2]
        option, equals, _ = last.partition("=")
        return {offer.removeprefix(option + equals) if equals else offer for offer in offers}

    def completed(self, line: str) -> str:
        before, blank, last = line.rpartition(" ")
        (word,) = self._offers(line) or [last]
        return before + blank + word


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of shared files of an installation."""
    folder = tmp_path_factory.mktemp("installed")
    command = ["make", "--silent", "install", "PREFIX=/usr", f"PYTHON={sys.executable}"]
    places = [f"DESTDIR={folder}", f"GENERATED={folder}/generated"]
    subprocess.run([*command, *places], cwd=TREE, check=True)
    return folder / "usr/share"


@pytest.fixture(scope="module", params=["bash", "zsh", "fish"])
def shell(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": "/nonexistent",
        "INPUTRC": "/dev/null",
        "DATA": str(data),
        "XDG_DATA_DIRS": f"{data}:/usr/share",
        "CALCD_SERVER": "calc.example.org:7071",
    }
    if request.param == "fish":
        home = tmp_path_factory.mktemp("home")  # it makes one if there is none
        yield Fish({**environment, "HOME": str(home)})
        return
    command, start = {
        "bash": (["/bin/bash", "--norc", "--noprofile", "-i"], BASH),
        "zsh": (["/bin/zsh", "-f", "-i"], ZSH),
    }[request.param]
    with Terminal(command, environment, columns=500) as terminal:
        yield AtPrompt(terminal, start)


CALCDS = {name for action in options.make_parser()._actions for name in action.option_strings}
CLIENTS = {name for option in client.OPTIONS for name in option.names}


@pytest.mark.parametrize(("program", "every"), [("calcd", CALCDS), ("calc-client", CLIENTS)])
def test_every_option_is_offered_and_no_other(shell: Shell, program: str, every: set[str]) -> None:
    assert shell.offered(f"{program} -") == every
    assert shell.offered(f"{program} --") == {name for name in every if name.startswith("--")}


WORDS: dict[str, type[enum.StrEnum]] = {
    setting.option: setting.parse.choices
    for setting in ROWS.values()
    if setting.option and isinstance(setting.parse, values.one_of)
}


@pytest.mark.parametrize("option", WORDS)
@pytest.mark.parametrize("between", [" ", "="], ids=["blank", "equals"])
def test_the_words_of_a_setting_are_offered(shell: Shell, option: str, between: str) -> None:
    assert shell.offered(f"calcd {option}{between}") == set(WORDS[option])


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("calcd --dump", "calcd --dump-config"),
        ("calcd --foreground --log-level=not", "calcd --foreground --log-level=notice"),
        ("calcd --log-target sys", "calcd --log-target syslog"),
        ("calcd --user roo", "calcd --user root"),
        ("calcd --group roo", "calcd --group root"),
        ("calc-client --ti", "calc-client --timeout"),
        ("calc-client su", "calc-client sub"),
        ("calc-client --timeout 3 di", "calc-client --timeout 3 div"),
        ("calc-client add m", "calc-client add m"),
        ("calc-client --server 127", "calc-client --server 127.0.0.1:7070"),
        ("calc-client --server=127.0.0.1:", "calc-client --server=127.0.0.1:7070"),
        ("calc-client --server calc", "calc-client --server calc.example.org:7071"),
        ("calcd --listen uni", "calcd --listen unix:/"),
    ],
)
def test_a_word_that_is_clear_is_completed(shell: Shell, line: str, completed: str) -> None:
    assert shell.completed(line) == completed


def test_operations_are_offered_where_one_belongs(shell: Shell) -> None:
    assert shell.offered("calc-client ") == {*grammar.NAMES, *client.COMMANDS}
    assert shell.offered("calc-client -q --timeout 3 ") == {*grammar.NAMES, *client.COMMANDS}


def test_the_usual_addresses_are_offered(shell: Shell) -> None:
    usual = {"127.0.0.1:7070", "[::1]:7070", "unix:/", "calc.example.org:7071"}
    assert shell.offered("calc-client --server ") == usual
    assert shell.offered("calcd --listen ") == usual


@pytest.mark.parametrize(
    "before",
    [
        "calcd --config ",
        "calcd --pidfile=",
        "calc-client --server unix:",
        "calc-client -f ",
        "calc-client --file=",
        "calc-client -f one.txt ",
        "calc-client -q --file one.txt two.txt ",
    ],
)
def test_files_are_completed(shell: Shell, tmp_path: Path, before: str) -> None:
    (tmp_path / "a-folder").mkdir()
    (tmp_path / "a-folder" / "calcd.file").touch()
    assert shell.completed(f"{before}{tmp_path}/a-fo") == f"{before}{tmp_path}/a-folder/"
    assert shell.completed(f"{before}{tmp_path}/a-folder/cal") == f"{before}{tmp_path}/a-folder/calcd.file"
