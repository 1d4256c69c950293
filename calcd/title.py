"""What ps(1) shows of a process: its command line, overwritten in place.

The setproctitle package is not used because it imports logging, and with it threading: 330 us more
for every fork of the listener. The kernel reads the command line from the memory that execve(2) laid
the arguments out in (proc(5), cmdline), so a title is as long as that area at most; a longer one is
cut, because what follows are the environment's strings, still in use.
"""

import os


class Title:
    """The command line of this process and, by inheritance, of those it forks."""

    def __init__(self) -> None:
        with open("/proc/self/comm", "w") as comm:  # the short name, for pgrep and ps -C: not python3
            comm.write("calcd")
        with open("/proc/self/stat", "rb") as stat:
            # The second field, a name in parentheses, may hold spaces; the third stands after it.
            fields = stat.read().rpartition(b") ")[2].split()
        self._start, end = int(fields[48 - 3]), int(fields[49 - 3])
        self._room = end - self._start

    def set(self, text: str) -> None:
        """Shows text, padded with NUL, from now on. A system that forbids it keeps the old title."""
        title = text.encode(errors="replace")[: self._room - 1].ljust(self._room, b"\0")
        try:
            memory = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
        except PermissionError:  # the process changed its user after its execve: not dumpable, prctl(2)
            return
        try:
            os.pwrite(memory, title, self._start)
        finally:
            os.close(memory)
