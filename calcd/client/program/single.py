"""Answers the expression of the command line."""

from calcd.client.errors import ClientError
from calcd.client.program.arguments import Arguments
from calcd.client.program.characters import pointer
from calcd.client.program.evaluation import Ask, Evaluation
from calcd.client.program.exit_status import ExitStatus, of_error
from calcd.client.program.grammar import ExpressionError, parse
from calcd.client.program.streams import complain, write
from calcd.client.request import Reply


class Single:
    """One expression, and one answer."""

    def __init__(self, ask: Ask, arguments: Arguments) -> None:
        self.errors = 0
        self._ask = ask
        self._arguments = arguments

    def run(self) -> ExitStatus:
        """Raises what asking does, and OSError if standard output fails."""
        line = self._arguments.expression or ""
        reply = self._reply(line)
        self.errors += isinstance(reply, ClientError)
        if self._arguments.is_json:
            from calcd.client.program.json_lines import answer  # noqa: PLC0415 only --json needs it

            write(1, answer("", 1, line, reply).encode())
        elif isinstance(reply, ClientError):
            self._explain(line, reply)
        else:
            write(1, f"{reply}\n".encode())
        return of_error(reply) if isinstance(reply, ClientError) else ExitStatus.OK

    def _reply(self, line: str) -> Reply:
        try:
            evaluation = Evaluation([parse(line)])
        except ClientError as error:
            return error
        evaluation.run(self._ask)
        (reply,) = evaluation.answers()
        return reply or ""  # where there is none, run() has raised why

    def _explain(self, line: str, error: ClientError) -> None:
        if self._arguments.is_quiet:
            return
        mark = f"\n{pointer(line, error.column)}" if isinstance(error, ExpressionError) else ""
        complain(f"{error}{mark}")
