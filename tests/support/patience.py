"""How long a test waits. It waits for states, and goes on as soon as they are there: a time-out is for what
never comes, and costs nothing but where a test fails. So it is long, and longer where others keep the
processors busy."""

import os

_MARGIN = 4


def patience(seconds: float) -> float:
    """The time-out for what takes an idle machine so many seconds at the very most."""
    busy = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    return seconds * _MARGIN * max(busy, 1)
