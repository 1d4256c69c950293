"""Sets the title that ps(1) shows of a process, by overwriting its command line in place.

1.  The setproctitle package is not used because it imports logging, and so threading: 330 us more for every
    fork of the listener.
2.  The kernel reads the command line from the memory where execve(2) put the arguments (cmdline in proc(5)).
    A title that is longer than this memory is cut, because the strings of the environment follow and are
    still in use.
"""

from struct import Struct

from calcd.linux.libc import Char
from calcd.linux.prctl import PR_SET_NAME, bare_prctl


class Title:
    """The command line of this process and, by inheritance, of those it forks."""

    __slots__ = ("arguments", "write")

    def __init__(self) -> None:
        bare_prctl(PR_SET_NAME, b"calcd")  # the short name, for pgrep and ps -C, else "python3"
        with open("/proc/self/stat", "rb") as stat:
            # The second field is a name in parentheses, and may hold spaces. The third one follows it.
            fields = stat.read().rpartition(b") ")[2].split()
        start, end = int(fields[48 - 3]), int(fields[49 - 3])
        # Public, because calcd.handler.process saves the call of set(). write(arguments, 0, text) cuts the
        # text or pads it with NULs. The last byte of the memory stays a NUL.
        self.write = Struct(f"{end - start - 1}s").pack_into
        self.arguments = memoryview((Char * (end - start)).from_address(start))

    def set(self, text: bytes) -> None:
        """Sets the title. text must not hold a NUL."""
        self.write(self.arguments, 0, text)
