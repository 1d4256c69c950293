"""fork(2) for a process without threads.

1.  In the child, os.fork() makes new locks for the interpreter, and glibc resets malloc's locks. A process
    with one thread needs neither, and they cost 23 page faults, 50 us. glibc's _Fork(3) (2.34, POSIX.1-2024)
    is the system call alone.
2.  From Python 3.12 on, os.fork() also reads /proc/self/stat each time, to count the threads.
3.  libc keeps the interpreter's lock during the call (calcd.linux.libc), so the child holds it too.
"""

import os

from calcd.linux.libc import bare_libc

_fork = bare_libc._Fork
_fork.argtypes = ()


def fork() -> int:
    """Returns 0 in the child, and its PID in the parent. Raises OSError."""
    pid: int = _fork()
    # The errno is lost. os.fork() fails again and raises the right error, or it succeeds.
    return pid if pid >= 0 else os.fork()
