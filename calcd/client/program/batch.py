"""Answers lines of input, with one line of output for each.

Output line n belongs to input line n: the result, the word "error", or nothing for a blank line or a
comment (#). All lines that have arrived are answered before the next read. So a coprocess can write one line
and then read one line.
"""

import gc

from calcd.client.errors import ClientError
from calcd.client.program.arguments import Arguments
from calcd.client.program.evaluation import Ask, Evaluation
from calcd.client.program.exit_status import ExitStatus
from calcd.client.program.grammar import MAX_LENGTH, Expression, ExpressionError, parse
from calcd.client.program.inputs import STANDARD_INPUT, Inputs, UnreadableFileError
from calcd.client.program.interrupts import Interrupts
from calcd.client.program.progress import Progress
from calcd.client.program.streams import complain, write
from calcd.client.request import Reply

_NOTHING = Expression([], "")  # of a blank line
# The lines of a read are so many objects at most. They go together, so the collector would look at them in
# vain, again and again: a sixth of the time.
_OBJECTS = 100_000


class Batch:
    """The lines of all files that are named, or of standard input."""

    def __init__(self, ask: Ask, arguments: Arguments) -> None:
        self.errors = 0  # lines that have one
        self._ask = ask
        self._arguments = arguments
        self._names = arguments.files or (STANDARD_INPUT,)
        self._interrupts = Interrupts()
        self._inputs = Inputs(self._names, self._interrupts)
        self._progress = Progress(self._inputs.size, is_wanted=not arguments.is_quiet)
        self._answered = 0  # lines
        self._has_ended = False  # by --fail-fast
        self._status = ExitStatus.OK

    def run(self) -> ExitStatus:
        """Raises what asking does, OSError if standard input or output fails, and KeyboardInterrupt. What
        was answered before is written."""
        gc.set_threshold(_OBJECTS)
        try:
            for name in self._names:
                self._take(name)
                if self._has_ended:
                    break
            with self._interrupts:  # Ctrl-C while the last lines were written
                pass
        finally:
            self._progress.hide()
        return self._status

    def _take(self, name: str) -> None:
        number = 1
        try:
            for lines in self._inputs.lines(name):
                self._answer(name, number, lines)
                number += len(lines)
                if self._has_ended:
                    break
                self._progress.show(self._answered, self._inputs.taken)
        except UnreadableFileError as error:
            self._explain(str(error))
            self._status = ExitStatus.NO_INPUT
            self._has_ended = self._arguments.fails_fast

    def _answer(self, name: str, first: int, lines: list[str]) -> None:
        parsed = [_parsed(line) for line in lines]
        if self._arguments.fails_fast:
            bad = next((n for n, p in enumerate(parsed) if isinstance(p, ClientError)), len(parsed))
            del parsed[bad + 1 :]
        evaluation = Evaluation([p for p in parsed if isinstance(p, Expression)])
        try:
            with self._interrupts:
                evaluation.run(self._ask)
        finally:
            answers = iter(evaluation.answers())
            replies = [next(answers) if isinstance(p, Expression) else p for p in parsed]
            self._report(name, first, lines, replies)

    def _report(self, name: str, first: int, lines: list[str], replies: list[Reply | None]) -> None:
        """Writes replies up to the first that is missing, and explains the errors. first is the number of
        the first line."""
        if None in replies:
            replies = replies[: replies.index(None)]
        errors = {n: reply for n, reply in enumerate(replies) if isinstance(reply, ClientError)}
        if errors and self._arguments.fails_fast:
            self._has_ended = True
            end = min(errors)
            replies = replies[: end + 1]
            errors = {end: errors[end]}
        if errors and self._status == ExitStatus.OK:
            self._status = ExitStatus.BAD_LINES
        self.errors += len(errors)
        self._answered += len(replies)
        if self._arguments.is_json:
            from calcd.client.program.json_lines import answer  # noqa: PLC0415 only --json needs it

            file = name if self._arguments.files else ""
            text = "".join(
                answer(file, number, line, reply)
                for number, line, reply in zip(
                    range(first, first + len(replies)), lines, replies, strict=False
                )
                if reply is not None
            )
        else:
            for number, error in errors.items():
                self._explain(f"{self._place(name, first + number, error)}: {error}")
            text = "".join("error\n" if isinstance(r, ClientError) else f"{r}\n" for r in replies)
        write(1, text.encode())

    def _place(self, name: str, number: int, error: ClientError) -> str:
        place = f"line {number}"
        if self._arguments.files:
            place = f"{'standard input' if name == STANDARD_INPUT else name}, {place}"
        return f"{place}, column {error.column + 1}" if isinstance(error, ExpressionError) else place

    def _explain(self, problem: str) -> None:
        self._progress.hide()
        if not self._arguments.is_quiet:
            complain(problem)


def _parsed(line: str) -> Expression | ClientError:
    stripped = line.strip()
    # What is behind the blanks of a line that is too long may not have been kept.
    if (not stripped and len(line) <= MAX_LENGTH) or stripped.startswith("#"):
        return _NOTHING
    try:
        return parse(line)
    except ClientError as error:
        # The traceback would keep all lines of a read, which keep the error, until the collector looks.
        return error.with_traceback(None)
