"""This process goes on as the installed code: execve(2).

The PID stays, and so do the children, the lock of the pidfile, and what systemd knows. calcd.launch.takeover
is what runs then.
"""

import os

from calcd.supervisor import programs
from calcd.supervisor.failure import Failure, system_failure
from calcd.supervisor.upgrade.state import State


def execute(state: State) -> Failure:
    """Hands over. Returns only if that fails, the reason: then all is as before.

    All signals must be blocked. They stay blocked until the next supervisor has a pipe for them; those that
    come meanwhile wait in the kernel.
    """
    try:
        memory = state.write()
    except OSError as error:
        return system_failure(error)
    passed = [memory, *state.file_descriptors()]
    command = programs.alike("calcd.launch.takeover", str(memory))
    try:
        # python-daemon leaves standard streams that lead to /dev/null marked close-on-exec.
        for fd in (0, 1, 2, *passed):
            os.set_inheritable(fd, True)
        os.execve(command[0], command, os.environ)  # noqa: S606 - it takes no shell
    except OSError as error:
        for fd in passed:
            os.set_inheritable(fd, False)
        os.close(memory)
        return system_failure(error)
