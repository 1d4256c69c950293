"""The prompt of calc-client: it answers line by line, with history and line editing."""

import contextlib
import os
import readline
import sys
from collections.abc import Iterator
from pathlib import Path

from calcd.client.connection import encode
from calcd.client.errors import ClientError
from calcd.client.expression import NAMES, parse
from calcd.client.reconnecting import ReconnectingClient

_WORDS = (*NAMES, "help", "quit", "exit")
_HISTORY_LINES = 1000
_HELP = """\
add 2 3   2 + 3     the sum
sub 2 3   2 - 3     the difference
mul 2 3   2 * 3     the product (2 x 3 is the same)
div 7 2   7 / 2     the quotient, without its fraction
help                these lines
quit, exit, Ctrl-D  leave
Operands are whole decimal numbers from -2147483648 to 2147483647; results wrap to the same range."""


def run(client: ReconnectingClient) -> None:
    """Prompts until the end of input. Raises as ReconnectingClient.connect. Later errors are only printed."""
    server = client.connect().server
    print(f"calcd at {server}. Type help for help, quit to leave.")
    readline.set_completer(_complete)
    readline.parse_and_bind("tab: complete")
    with _history():
        while True:
            try:
                line = input("calc> ").strip()
                if line in ("quit", "exit"):
                    return
                if line == "help":
                    print(_HELP)
                elif line:
                    print(client.exchange(encode(*parse(line)))[0])
            except EOFError:
                print()
                return
            except KeyboardInterrupt:
                print()  # ends the line, or the wait for its answer
            except ClientError as error:
                print(error, file=sys.stderr)


def _complete(text: str, state: int) -> str | None:
    """Completes the first word of a line, for readline. Returns completion number state, or None after the
    last one."""
    if readline.get_begidx() > 0:
        return None
    found = [word + " " for word in _WORDS if word.startswith(text)]
    return found[state] if state < len(found) else None


@contextlib.contextmanager
def _history() -> Iterator[None]:
    """Loads the lines of earlier prompts, and saves the new ones at the end. Errors are ignored."""
    with contextlib.suppress(OSError):
        readline.read_history_file(_history_file())
    before = readline.get_current_history_length()
    readline.set_history_length(_HISTORY_LINES)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path = _history_file()
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            # Appending keeps the lines of another prompt that was open at the same time.
            readline.append_history_file(readline.get_current_history_length() - before, path)


def _history_file() -> Path:
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    # The XDG specification says that a relative path is ignored.
    if not state.is_absolute():
        state = Path("~/.local/state").expanduser()
    return state / "calc-client" / "history"
