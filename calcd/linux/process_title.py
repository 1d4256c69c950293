"""What ps(1) shows of a process: its command line, overwritten in place.

The setproctitle package is not used because it imports logging, and with it threading: 330 us more
for every fork of the listener. The kernel reads the command line from the memory that execve(2) laid
the arguments out in (proc(5), cmdline), so a title is as long as that area at most; a longer one is
cut, because what follows are the environment's strings, still in use.
"""

from struct import Struct

from calcd.linux.libc import Char


class Title:
    """The command line of this process and, by inheritance, of those it forks."""

    __slots__ = ("arguments", "write")

    def __init__(self) -> None:
        with open("/proc/self/comm", "w") as comm:  # the short name, for pgrep and ps -C: not python3
            comm.write("calcd")
        with open("/proc/self/stat", "rb") as stat:
            # The second field, a name in parentheses, may hold spaces; the third stands after it.
            fields = stat.read().rpartition(b") ")[2].split()
        start, end = int(fields[48 - 3]), int(fields[49 - 3])
        # For who calls no more functions than it must: calcd.handler.process. write(arguments, 0, text) cuts
        # the text, or fills it up with NULs; the last byte stays one.
        self.write = Struct(f"{end - start - 1}s").pack_into
        self.arguments = memoryview((Char * (end - start)).from_address(start))

    def set(self, text: bytes) -> None:
        """Shows text from now on. It may hold no NUL."""
        self.write(self.arguments, 0, text)
