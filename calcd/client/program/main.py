"""The program calc-client: it answers one expression, a prompt, or a batch."""

import os
import signal
import sys
from types import TracebackType

from calcd.client.errors import ClientError
from calcd.client.program import exit_status
from calcd.client.program.arguments import Arguments, UsageError, parse_arguments
from calcd.client.program.evaluation import Ask
from calcd.client.program.exit_status import ExitStatus
from calcd.client.program.reconnecting import ReconnectingClient
from calcd.client.program.single import Single
from calcd.client.program.streams import complain, open_closed, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calcd.client.program.batch import Batch


def main() -> int:
    """Runs calc-client with sys.argv. Returns the exit status."""
    sys.excepthook = _report_fault
    is_quiet = False
    try:
        arguments = parse_arguments(sys.argv[1:])
        is_quiet = arguments.is_quiet
        return _run(arguments)
    except UsageError as error:
        complain(f"{error}; see calc-client --help")
        return ExitStatus.USAGE
    except ClientError as error:
        if not is_quiet:
            complain(error)
        return exit_status.of_error(error)
    except BrokenPipeError:
        return _die_of(signal.SIGPIPE)
    except KeyboardInterrupt:
        return _die_of(signal.SIGINT)
    except OSError as error:
        if not is_quiet:
            complain(f"standard input or output: {error.strerror}")
        return ExitStatus.INPUT_OUTPUT


def _run(arguments: Arguments) -> ExitStatus:
    open_closed()
    if arguments.information:
        write(1, arguments.information.encode())
        return ExitStatus.OK
    if arguments.command == "ping":
        from calcd.client.program.ping import Ping  # noqa: PLC0415 only ping needs it

        return Ping(arguments).run()
    if arguments.command == "info":
        from calcd.client.program.info import information  # noqa: PLC0415 only info needs it

        write(1, information(arguments.server, arguments.timeout, arguments.section).encode())
        return ExitStatus.OK
    with ReconnectingClient(
        arguments.server, arguments.timeout, protocol=arguments.protocol, wraps=arguments.wraps
    ) as client:
        if arguments.expression is None and not arguments.is_batch and os.isatty(0) and os.isatty(1):
            from calcd.client.program import prompt  # noqa: PLC0415 only the prompt needs readline

            prompt.run(client)
            return ExitStatus.OK
        if not arguments.has_statistics:
            return _answering(client.ask, arguments).run()
        from calcd.client.program.statistics import Statistics  # noqa: PLC0415 only --stats needs it

        with Statistics(client.ask) as statistics:
            answering = _answering(statistics.ask, arguments)
            try:
                return answering.run()
            finally:
                statistics.errors = answering.errors


def _answering(ask: Ask, arguments: Arguments) -> "Single | Batch":
    if arguments.expression is not None:
        return Single(ask, arguments)
    from calcd.client.program.batch import Batch  # noqa: PLC0415 one answer is the sooner there

    return Batch(ask, arguments)


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
