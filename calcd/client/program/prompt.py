"""The prompt of calc-client: it answers line by line, with history, and line editing if there is readline."""

import contextlib
import io
import sys
from collections.abc import Iterator

from calcd.client.errors import ClientError
from calcd.client.program.characters import pointer
from calcd.client.program.conversation import COMMANDS, Conversation
from calcd.client.program.grammar import LAST_RESULT, NAMES, ExpressionError
from calcd.client.program.history import History
from calcd.client.program.reconnecting import ReconnectingClient
from calcd.client.program.streams import complain

try:
    import readline
except ImportError:  # Python can be built without it
    _has_readline = False
else:
    _has_readline = True

_WORDS = (*NAMES, LAST_RESULT, *COMMANDS)
_OPERANDS = {"timing": ("on", "off")}


def run(client: ReconnectingClient) -> None:
    """Prompts until the end of input. Raises as ReconnectingClient.connect. Later errors are only printed."""
    server = client.connect().server
    # A byte that is no character of the locale is a mistake in a line, and not the end of the prompt.
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)
    print(f"calcd at {server}. Type help for help, quit to leave.")
    conversation = Conversation(client)
    with _editing() as history:
        while True:
            try:
                # Several lines come at once where bracketed paste is on. Python's readline has it off, and
                # another one may not.
                for line in input("calc> ").split("\n"):
                    history.take(line)
                    if not _answer(conversation, line):
                        return
            except EOFError:
                print()
                return
            except KeyboardInterrupt:
                print()  # ends the line, or the wait for its answer


def _answer(conversation: Conversation, line: str) -> bool:
    """Returns whether there are to be more lines."""
    try:
        return conversation.take(line)
    except ExpressionError as error:
        complain(f"{error}\n{pointer(line, error.column)}", name="")
    except ClientError as error:
        complain(error, name="")
    return True


@contextlib.contextmanager
def _editing() -> Iterator[History]:
    """Loads the lines of earlier prompts, and saves the new ones at the end."""
    history = History(_remember)
    if _has_readline:
        readline.set_completer(_complete)
        is_libedit = "libedit" in (readline.__doc__ or "")
        readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    try:
        yield history
    finally:
        history.save()


def _remember(line: str) -> None:
    if _has_readline:
        with contextlib.suppress(ValueError):  # the line has a character that the locale lacks
            readline.add_history(line)


def _complete(text: str, state: int) -> str | None:
    """Completes the first word of a line, or the one behind it, for readline. Returns completion number
    state, or None after the last one."""
    before = readline.get_line_buffer()[: readline.get_begidx()].split()
    words = _WORDS if not before else _OPERANDS.get(" ".join(before), ())
    found = [word + " " for word in words if word.startswith(text)]
    return found[state] if state < len(found) else None
