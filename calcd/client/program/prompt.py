"""The prompt of calc-client: it answers line by line, with history, and line editing if there is readline."""

import contextlib
import io
import sys
from collections.abc import Iterator

from calcd.client.errors import ClientError
from calcd.client.program.characters import pointer
from calcd.client.program.evaluation import Evaluation
from calcd.client.program.grammar import LAST_RESULT, NAMES, Expression, ExpressionError, Step, parse
from calcd.client.program.history import History
from calcd.client.program.reconnecting import ReconnectingClient
from calcd.client.program.streams import complain
from calcd.protocol.classic import Operation

try:
    import readline
except ImportError:  # Python can be built without it
    _has_readline = False
else:
    _has_readline = True

_WORDS = (*NAMES, LAST_RESULT, "help", "quit", "exit")
_HELP = """\
add 2 3   2 + 3     the sum
sub 2 3   2 - 3     the difference
mul 2 3   2 * 3     the product (2 x 3 is the same)
div 7 2   7 / 2     the quotient, without its fraction
2 * (3 + 4) - -5    any expression; * and / come before + and -
ans                 the last result
help                these lines
quit, exit, Ctrl-D  leave
Numbers are whole and decimal, of any size that the server takes."""


def run(client: ReconnectingClient) -> None:
    """Prompts until the end of input. Raises as ReconnectingClient.connect. Later errors are only printed."""
    server = client.connect().server
    # A byte that is no character of the locale is a mistake in a line, and not the end of the prompt.
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)
    print(f"calcd at {server}. Type help for help, quit to leave.")
    last_result: str | None = None
    with _editing() as history:
        while True:
            try:
                line = input("calc> ")
                history.take(line)
                command = line.strip()
                if command in ("quit", "exit"):
                    return
                if command == "help":
                    print(_HELP)
                elif command:
                    last_result = _answer(client, line, last_result)
            except EOFError:
                print()
                return
            except KeyboardInterrupt:
                print()  # ends the line, or the wait for its answer
            except ExpressionError as error:
                complain(f"{error}\n{pointer(line, error.column)}", name="")
            except ClientError as error:
                complain(error, name="")


def _answer(client: ReconnectingClient, line: str, last_result: str | None) -> str:
    """Prints the result of the line, and what its divisions leave. Returns the result."""
    expression = parse(line, last_result)
    evaluation = Evaluation([expression])
    evaluation.run(client.ask)
    (result,) = evaluation.answers()
    if isinstance(result, ClientError):
        raise result
    print(result)
    try:
        _tell_remainders(client, expression, evaluation)
    except ClientError as error:  # the result is there all the same
        complain(error, name="")
    return str(result)


def _tell_remainders(client: ReconnectingClient, expression: Expression, evaluation: Evaluation) -> None:
    """Says of each division that loses something what it loses. The server calculates this, too."""
    divisions = [
        tuple(str(evaluation.value(0, operand)) for operand in (step.op1, step.op2, number))
        for number, step in enumerate(expression.steps)
        if step.operation == Operation.DIV
    ]
    remainders = Evaluation(
        [
            Expression([Step(Operation.MUL, quotient, divisor), Step(Operation.SUB, dividend, 0)], 1)
            for dividend, divisor, quotient in divisions
        ]
    )
    remainders.run(client.ask)
    for (dividend, divisor, quotient), remainder in zip(divisions, remainders.answers(), strict=True):
        if isinstance(remainder, str) and remainder != "0":
            print(f"{dividend} / {divisor} is {quotient}, remainder {remainder}")


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
    """Completes the first word of a line, for readline. Returns completion number state, or None after the
    last one."""
    if readline.get_begidx() > 0:
        return None
    found = [word + " " for word in _WORDS if word.startswith(text)]
    return found[state] if state < len(found) else None
