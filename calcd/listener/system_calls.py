"""Which system calls listener and handlers may make, and the programs for seccomp(2) that see to it.

1.  A handler alone reads what strangers send. It may read, compute, write and exit, and accept the
    next connection if it is used again: whatever else it tries, the kernel kills it, and the supervisor logs
    that.
2.  The listener may make the calls that it needs once it serves. Any other fails with EPERM and nobody
    dies of it: a C library that tries something new, or an interpreter that looks for the source lines of
    a traceback, must not cost the service.
3.  When a filter is put in force, the kernel tries it on every system call there is, 900 on x86-64, to know
    which of them need no look at their arguments (Linux 5.11). A handler's is tried on those alone that
    its listener's has allowed so: 20 us less for each connection. So the listener's filter has all of a
    handler's calls, and one of those alone would be slower than both.
4.  A call that needs no look at its arguments costs nothing when it is made. So the order of the calls here
    does not matter, and a filter is as short as it can be.
5.  Of an int, the lower half of a register is looked at: the upper one may hold anything.

To be imported by a process that will not fork for connections: calcd.listener.filters.
"""

import errno
import signal
import socket
import termios
from typing import BinaryIO

from seccomp import ALLOW, ERRNO, KILL_PROCESS, MASKED_EQ, Arg, Attr, SyscallFilter, set_api

from calcd.linux.prctl import PR_SET_PDEATHSIG, PR_SET_SECCOMP
from calcd.linux.refusal import SO_BINDTOIFINDEX

Call = tuple[str, *tuple[Arg, ...]]  # its name, and what its arguments must be


def _is(argument: int, value: int) -> Arg:
    return Arg(argument, MASKED_EQ, 0xFFFF_FFFF, value)


def _is_without(argument: int, bit: int) -> Arg:
    return Arg(argument, MASKED_EQ, bit, 0)


_PROT_EXEC = 4  # mmap(2)
_FORK = signal.SIGCHLD | 0x0100_0000 | 0x0020_0000  # and CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID: glibc's

# Where an architecture lacks one of them, another of them stands for it.
HANDLER: tuple[Call, ...] = (
    ("read",),  # requests
    ("write",),  # replies, the report to the listener, the traceback of a defect
    ("writev", _is(0, 2)),  # what glibc says before it aborts
    # Deadlines. Other options of sockets reach far into the kernel.
    ("setsockopt", _is(1, socket.SOL_SOCKET), _is(2, socket.SO_RCVTIMEO)),
    ("setsockopt", _is(1, socket.SOL_SOCKET), _is(2, socket.SO_SNDTIMEO)),
    ("setsockopt", _is(1, socket.SOL_SOCKET), _is(2, socket.SO_LINGER)),  # a reset, for who does not read
    ("getsockname",),  # Python, when it makes a socket object for one of the calls here
    ("getsockopt",),  # likewise
    # The first half of an orderly close. The other one would close a listening socket for all, for good.
    ("shutdown", _is(1, socket.SHUT_WR)),
    ("close",),  # the second
    ("mmap", _is_without(2, _PROT_EXEC)),  # memory, of which none ever is code
    ("mremap",),  # memory that grows
    ("munmap",),
    ("brk",),
    ("clock_gettime",),  # where the clock cannot be read without the kernel: vdso(7)
    ("rt_sigreturn",),  # the end of a signal's handler
    ("getpid",),  # for the report
    ("exit_group",),
)
# What a handler needs besides that serves one connection after another.
REUSED_HANDLER: tuple[Call, ...] = (
    *HANDLER,
    ("accept4",),
    ("epoll_wait",),
    ("epoll_pwait",),  # which glibc calls on arm64
    ("rt_sigtimedwait",),  # the listener's answer, whether to serve a connection
    ("getppid",),  # whether it will come
    ("setitimer",),  # the lifetime of a connection
    ("clock_nanosleep",),  # when the system is out of what accept(2) needs
)
LISTENER: tuple[Call, ...] = (
    *REUSED_HANDLER,
    ("clone", _is(0, _FORK)),
    ("set_robust_list",),  # in the child of a fork: glibc
    ("rt_sigprocmask",),  # likewise: it lets SIGTERM through
    ("prctl", _is(0, PR_SET_SECCOMP)),  # likewise: it puts a handler's filter in force
    ("prctl", _is(0, PR_SET_PDEATHSIG)),  # likewise: it has the kernel tell it when the listener dies
    ("wait4",),
    ("kill",),  # SIGTERM to handlers that are to drain, SIGKILL when their time is over
    ("epoll_ctl",),
    ("pread64",),  # how long it has waited for a processor
    ("ioctl", _is(1, termios.FIONBIO)),  # sockets that do not block
    ("setsockopt", _is(1, socket.SOL_SOCKET), _is(2, SO_BINDTOIFINDEX)),  # ones that refuse connections
    ("recvfrom",),  # the supervisor's commands
    ("sendto",),  # the events for it
    ("rt_sigaction",),  # in the child of a fork, for its lifetime; and the interpreter, when it ends
)


def compile_listener(file: BinaryIO) -> None:
    _compile(LISTENER, ERRNO(errno.EPERM), file)


def compile_handler(file: BinaryIO, is_reused: bool) -> None:
    _compile(REUSED_HANDLER if is_reused else HANDLER, KILL_PROCESS, file)


def _compile(allowed: tuple[Call, ...], otherwise: int, file: BinaryIO) -> None:
    # The kernel can kill a process for a call (Linux 4.14). libseccomp would ask it by seccomp(2), which
    # systemd 252 does not count among the calls of a service.
    set_api(3)
    result = SyscallFilter(otherwise)
    result.set_attr(Attr.ACT_BADARCH, KILL_PROCESS)  # 32-bit programs' calls
    for name, *arguments in allowed:
        result.add_rule(ALLOW, name, *arguments)
    result.export_bpf(file)
