"""The program calc-client: it answers one expression, a prompt, or a batch."""

import os
import signal
import sys
from types import TracebackType

from calcd.client.errors import ClientError
from calcd.client.program import exit_status
from calcd.client.program.arguments import Arguments, UsageError, parse_arguments
from calcd.client.program.characters import pointer
from calcd.client.program.evaluation import Evaluation
from calcd.client.program.exit_status import ExitStatus
from calcd.client.program.grammar import ExpressionError, parse
from calcd.client.program.reconnecting import ReconnectingClient
from calcd.client.program.streams import complain, open_closed, write


def main() -> int:
    """Runs calc-client with sys.argv. Returns the exit status."""
    sys.excepthook = _report_fault
    try:
        return _run(parse_arguments(sys.argv[1:]))
    except UsageError as error:
        complain(f"{error}; see calc-client --help")
        return ExitStatus.USAGE
    except ClientError as error:
        complain(error)
        return exit_status.of_error(error)
    except BrokenPipeError:
        return _die_of(signal.SIGPIPE)
    except KeyboardInterrupt:
        return _die_of(signal.SIGINT)
    except OSError as error:
        complain(f"standard input or output: {error.strerror}")
        return ExitStatus.INPUT_OUTPUT


def _run(arguments: Arguments) -> ExitStatus:
    open_closed()
    if arguments.information:
        write(1, arguments.information.encode())
        return ExitStatus.OK
    with ReconnectingClient(
        arguments.server, arguments.timeout, protocol=arguments.protocol, wraps=arguments.wraps
    ) as client:
        if arguments.expression is not None:
            return _answer(client, arguments.expression)
        if os.isatty(0) and os.isatty(1):
            from calcd.client.program import prompt  # noqa: PLC0415 only the prompt needs readline

            prompt.run(client)
            return ExitStatus.OK
        from calcd.client.program import batch  # noqa: PLC0415 one answer is the sooner there

        return ExitStatus.BAD_LINES if batch.run(client, 0, 1) else ExitStatus.OK


def _answer(client: ReconnectingClient, text: str) -> ExitStatus:
    try:
        evaluation = Evaluation([parse(text)])
    except ExpressionError as error:
        complain(f"{error}\n{pointer(text, error.column)}")
        return exit_status.of_error(error)
    evaluation.run(client.ask)
    (answer,) = evaluation.answers()
    if isinstance(answer, ClientError):
        raise answer
    write(1, f"{answer}\n".encode())
    return ExitStatus.OK


def _report_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Python's own status would be 1, which means a division by zero here."""
    sys.__excepthook__(kind, error, trace)
    if issubclass(kind, Exception):
        complain(f"this is a fault of calc-client itself, please report it: {kind.__name__}")
        os._exit(ExitStatus.SOFTWARE)


def _die_of(number: signal.Signals) -> int:
    """Ends quietly by the signal's default action, so that the shell sees that the signal ended it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number
