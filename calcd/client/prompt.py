"""The prompt: one line, one answer, with history and line editing."""

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
    """Asks until the end of input. Raises what ReconnectingClient.connect does; later failures are told and
    survived."""
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
                print()  # the line, or the wait for its answer, is abandoned
            except ClientError as error:
                print(error, file=sys.stderr)


def _complete(text: str, state: int) -> str | None:
    """Completes a line's first word, for readline: the candidate number state, or None after the last."""
    if readline.get_begidx() > 0:
        return None
    found = [word + " " for word in _WORDS if word.startswith(text)]
    return found[state] if state < len(found) else None


@contextlib.contextmanager
def _history() -> Iterator[None]:
    """Earlier prompts' lines; a history that cannot be read or saved is done without."""
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
            # Appending keeps the lines of a second prompt that was open at the same time.
            readline.append_history_file(readline.get_current_history_length() - before, path)


def _history_file() -> Path:
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    # The XDG specification has a relative path ignored.
    if not state.is_absolute():
        state = Path("~/.local/state").expanduser()
    return state / "calc-client" / "history"
