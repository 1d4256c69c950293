"""What --stats tells: how many requests and errors there were, and how long they took."""

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from calcd.client.program.evaluation import Ask
from calcd.client.program.streams import say
from calcd.client.request import Reply, Request

# A time is that of all requests that are asked together, so these are fewer than without --stats.
_TOGETHER = 1024


class Statistics:
    """Asks, and tells at the end of a with statement what it took."""

    def __init__(self, ask: Ask) -> None:
        self.errors = 0  # lines that have one
        self._ask = ask
        # Times are kept as precisely as they are told. So these are not more with every request.
        self._times: Counter[float] = Counter()
        self._began = time.monotonic()

    def ask(self, requests: Sequence[Request], replies: list[Reply]) -> None:
        """As the ask that it was made with."""
        for first in range(0, len(requests), _TOGETHER):
            before, answered = time.monotonic(), len(replies)
            try:
                self._ask(requests[first : first + _TOGETHER], replies)
            finally:
                if len(replies) > answered:
                    self._times[rounded(time.monotonic() - before)] += len(replies) - answered

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.monotonic() - self._began
        requests = self._times.total()
        lines = [
            f"requests: {requests}",
            f"errors: {self.errors}",
            f"time: {seconds:.3f} s",
            f"rate: {requests / seconds:.0f}/s",
        ]
        with contextlib.suppress(ValueError):  # nothing was answered
            lines += [f"p{share}: {percentile(self._times, share) * 1000:g} ms" for share in (50, 99)]
        say("".join(f"{line}\n" for line in lines))


def rounded(seconds: float) -> float:
    """To three digits."""
    return float(f"{seconds:.2e}")


def percentile(times: Counter[float], share: int) -> float:
    """The time, in seconds, that share percent of all do not exceed. Raises ValueError if there are none."""
    rank = -(-times.total() * share // 100)
    for seconds in sorted(times):
        rank -= times[seconds]
        if rank <= 0:
            return seconds
    raise ValueError("no times")
