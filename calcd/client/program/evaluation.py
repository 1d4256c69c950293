"""Has expressions calculated by the server, every step.

Steps that do not need each other's results are asked together, those of different expressions too. So the
round trips are as many as the steps of the deepest expression have levels.
"""

from collections.abc import Callable, Sequence

from calcd.client.program.grammar import Expression, Operand, Step
from calcd.client.request import Reply, Request

Ask = Callable[[Sequence[Request], list[Reply]], None]


class Evaluation:
    """Expressions and the results of their steps. A step that failed fails those that need it."""

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self._expressions = expressions
        self._results: list[list[Reply | None]] = [[None] * len(e.steps) for e in expressions]

    def run(self, ask: Ask) -> None:
        """Asks for all results. Raises what ask does; what was answered before is kept."""
        for level in self._levels():
            requests = []
            asked = []
            for results, number, (operation, op1, op2) in level:
                a = op1 if isinstance(op1, str) else results[op1]
                b = op2 if isinstance(op2, str) else results[op2]
                if isinstance(a, str) and isinstance(b, str):
                    requests.append(Request(operation, a, b))
                    asked.append((results, number))
                else:
                    results[number] = b if isinstance(a, str) else a
            replies: list[Reply] = []
            try:
                ask(requests, replies)
            finally:
                for (results, number), reply in zip(asked, replies, strict=False):
                    results[number] = reply

    def answers(self) -> list[Reply | None]:
        """The value of each expression, or why it has none; None for one that was not answered."""
        return [
            self.value(number, expression.value if not expression.steps else len(expression.steps) - 1)
            for number, expression in enumerate(self._expressions)
        ]

    def value(self, number: int, operand: Operand) -> Reply | None:
        """What an operand of expression number stands for."""
        return operand if isinstance(operand, str) else self._results[number][operand]

    def _levels(self) -> list[list[tuple[list[Reply | None], int, Step]]]:
        """The steps, in the order in which they can be asked."""
        levels: list[list[tuple[list[Reply | None], int, Step]]] = [[]]
        for expression, results in zip(self._expressions, self._results, strict=True):
            depths: list[int] = []
            if len(expression.steps) == 1:
                levels[0].append((results, 0, expression.steps[0]))
                continue
            for number, step in enumerate(expression.steps):
                depth = max((depths[op] + 1 for op in step[1:] if not isinstance(op, str)), default=0)
                depths.append(depth)
                if depth == len(levels):
                    levels.append([])
                levels[depth].append((results, number, step))
        return levels
