"""The installed code shows in a child that it could take over: it imports all that it needs, reads the
configuration, and understands the state. calcd.launch.proof is what runs there.

The child gets the state, and a pipe for its answer, which is that of calcd.supervisor.held.control. It gets
nothing of what the state names.
"""

import contextlib
import os
import signal
from collections.abc import Callable

from calcd.linux.event_loop import EventLoop
from calcd.settings.values import format_span
from calcd.supervisor import programs
from calcd.supervisor.failure import ExitStatus, Failure
from calcd.supervisor.upgrade.state import State

# Seconds that the child may take. It takes 0.3, and more on a machine that has much else to do.
_TIME = 60.0


class Proof:
    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._child = self._answers = -1  # file descriptors: of the process, and of the pipe

    def begin(self, state: State, done: Callable[[Failure | None], None]) -> None:
        """Tries the installed code. done is called with None once it has shown that it can take over, else
        with the reason. Raises OSError if the system allows no further process or file."""
        self._done = done
        self._answer = b""
        with contextlib.ExitStack() as on_failure, contextlib.ExitStack() as at_the_end:
            memory = state.write()
            at_the_end.callback(os.close, memory)
            answers, answer = os.pipe2(os.O_CLOEXEC)
            on_failure.callback(os.close, answers)
            at_the_end.callback(os.close, answer)
            os.set_blocking(answers, False)
            command = programs.alike("calcd.launch.proof", f"{memory} {answer}")
            # The child tells systemd nothing.
            environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
            pid = programs.spawn(command, environment, (memory, answer))
            on_failure.callback(os.kill, pid, signal.SIGKILL)
            self._child = os.pidfd_open(pid)
            self._answers = answers
            on_failure.pop_all()
        self._loop.watch(self._answers, self._take_answer)
        self._loop.timers.set("proof", _TIME, self._too_late)

    def abandon(self) -> None:
        """Kills the child, if there is one."""
        if self._child != -1:
            with contextlib.suppress(ProcessLookupError):  # it has ended, and was waited for
                signal.pidfd_send_signal(self._child, signal.SIGKILL)
            self._close()

    def _take_answer(self) -> None:
        try:
            part = os.read(self._answers, 65536)
        except BlockingIOError:  # the event was for a file that had this number before
            return
        self._answer += part
        if part:
            return
        self._close()
        if not self._answer:
            reason = "it ended before it had shown that it works; standard error, or the journal, shows why"
            self._done(Failure(ExitStatus.SOFTWARE, reason))
        elif self._answer[0] == ExitStatus.OK:
            self._done(None)
        else:
            text = self._answer[1:].decode(errors="replace")
            self._done(Failure(ExitStatus(self._answer[0]), text))

    def _too_late(self) -> None:
        self.abandon()
        reason = f"it has not shown within {format_span(_TIME)} that it works: was it stopped?"
        self._done(Failure(ExitStatus.SOFTWARE, reason))

    def _close(self) -> None:
        self._loop.timers.cancel("proof")
        self._loop.ignore(self._answers)
        os.close(self._answers)
        os.close(self._child)
        self._child = self._answers = -1
