"""The listener's commands to its handlers, which are signals.

They are real-time signals. The kernel queues these, and nobody else sends them to all processes of a service.
"""

import _signal

from calcd.linux.signals import set_of

# The answers to an admission request.
ADMITTED, REFUSED = ANSWERS = _signal.SIGRTMIN, _signal.SIGRTMIN + 1
STOP_ACCEPTING = _signal.SIGRTMIN + 2

# A handler blocks the answers, so that they stay pending until it waits for them.
BLOCKED = set_of(ANSWERS)
