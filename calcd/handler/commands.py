"""What the listener tells its handlers, by signals.

They are real-time signals: the kernel queues them, and nobody sends them to all of a service's processes.
"""

import _signal

from calcd.linux.signals import set_of

# The answer to a handler that asks whether to serve a connection.
ADMITTED, REFUSED = ANSWERS = _signal.SIGRTMIN, _signal.SIGRTMIN + 1
STOP_ACCEPTING = _signal.SIGRTMIN + 2

# What a handler blocks: an answer waits until the handler waits for it.
BLOCKED = set_of(ANSWERS)
