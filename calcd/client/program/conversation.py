"""What is answered at the prompt: expressions, and a few commands."""

import time

from calcd.client.errors import ClientError
from calcd.client.program.colours import BOLD, painted
from calcd.client.program.evaluation import Evaluation
from calcd.client.program.grammar import Expression, ExpressionError, Step, parse
from calcd.client.program.reconnecting import ReconnectingClient
from calcd.client.program.streams import complain
from calcd.client.session import is_classic
from calcd.protocol.classic import Operation

HELP = """\
add 2 3   2 + 3     the sum
sub 2 3   2 - 3     the difference
mul 2 3   2 * 3     the product (2 x 3 is the same)
div 7 2   7 / 2     the quotient, without its fraction
2 * (3 + 4) - -5    any expression; * and / come before + and -
ans                 the last result
info [SECTION]      what the server tells of itself
connect HOST:PORT   ask another server
timing on, off      tell how long each answer takes, or do not
help                these lines
quit, exit, Ctrl-D  leave
Numbers are whole and decimal, of any size that the server takes."""
COMMANDS = ("info", "connect", "timing", "help", "quit", "exit")


class Conversation:
    """Lines and their answers, until one that says quit."""

    def __init__(self, client: ReconnectingClient) -> None:
        self._client = client
        client.on_reconnect = self._tell_reconnect
        self._last_result: str | None = None
        self._is_timed = False

    def take(self, line: str) -> bool:
        """Prints what answers the line. Returns whether there are to be more. Raises ClientError."""
        command, *operands = line.split() or [""]
        if command in COMMANDS:
            most = 0 if command in ("help", "quit", "exit") else 1
            if len(operands) > most:
                raise ExpressionError(
                    f"{command} takes {'one word' if most else 'nothing'}", len(line.rstrip())
                )
        operand = "".join(operands)
        match command:
            case "quit" | "exit":
                return False
            case "help":
                print(HELP)
            case "info":
                self._inform(operand)
            case "connect":
                if not operand:
                    raise ExpressionError("an address is missing: connect HOST:PORT", len(line.rstrip()))
                print(f"calcd at {self._client.connect(operand).server}.")
            case "timing":
                if operand not in ("on", "off"):
                    raise ExpressionError("timing is on or off", len(line.rstrip()))
                self._is_timed = operand == "on"
            case "":
                pass
            case _:
                self._calculate(line)
        return True

    def _calculate(self, line: str) -> None:
        """Prints the result of the line, and what its divisions leave."""
        expression = parse(line, self._last_result)
        evaluation = Evaluation([expression])
        before = time.monotonic()
        evaluation.run(self._client.ask)
        seconds = time.monotonic() - before
        (result,) = evaluation.answers()
        if isinstance(result, ClientError):
            raise result
        print(painted(str(result), BOLD, 1))
        self._last_result = str(result)
        try:
            self._tell_remainders(expression, evaluation)
        except ClientError as error:  # the result is there all the same
            complain(error, name="")
        if self._is_timed:
            print(f"{seconds * 1000:.3f} ms")

    def _tell_remainders(self, expression: Expression, evaluation: Evaluation) -> None:
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
        remainders.run(self._client.ask)
        for (dividend, divisor, quotient), remainder in zip(divisions, remainders.answers(), strict=True):
            if isinstance(remainder, str) and remainder != "0":
                print(f"{dividend} / {divisor} is {quotient}, remainder {remainder}")

    def _inform(self, section: str) -> None:
        from calcd.client.program.info import information  # noqa: PLC0415 few ask for it

        if is_classic(self._client.protocol):
            raise ExpressionError("info needs RESP: start calc-client without --classic", 0)
        print(information(self._client.server, self._client.timeout, section), end="")

    def _tell_reconnect(self) -> None:
        print(f"The connection was lost. Connected to {self._client.server} again.")
