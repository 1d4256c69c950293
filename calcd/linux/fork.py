"""fork(2) for a process without threads.

1.  os.fork() makes new locks for the interpreter in the child, and has glibc reset malloc's: nothing a
    process with one thread needs, and 23 page faults, 50 us. glibc's _Fork(3) (2.34, POSIX.1-2024) is the
    system call alone.
2.  From Python 3.12 on, os.fork() also reads /proc/self/stat each time, to count the threads.
3.  The interpreter's lock is kept during the call (calcd.linux.libc), so the child goes on in possession
    of it.
"""

import os

from calcd.linux.libc import bare_libc

_fork = bare_libc._Fork
_fork.argtypes = ()


def fork() -> int:
    """0 in the child, its PID in the parent. Raises OSError."""
    pid: int = _fork()
    # The errno is lost by now: the slow way finds it again, or has better luck.
    return pid if pid >= 0 else os.fork()
