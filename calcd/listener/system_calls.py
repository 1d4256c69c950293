"""The system calls that the listener and the handlers may make, and the seccomp(2) filters that enforce this.

1.  Only a handler reads what clients send. It may read, compute, write and exit, and accept the next
    connection if it is used again. If it tries anything else, the kernel kills it and the supervisor logs
    that.
2.  The listener may make the calls that it needs once it serves. Any other call fails with EPERM and kills
    nobody. A C library that tries something new must not end the service, nor an interpreter that looks for
    the source lines of a traceback.
3.  When a filter is installed, the kernel runs it for every system call, 900 on x86-64, to find the calls
    that need no check of their arguments (Linux 5.11). It runs a handler's filter only for the calls that
    the listener's filter has allowed in this way, which saves 20 us for each connection. So the listener's
    filter contains all calls of a handler. A handler's filter alone would be slower than both.
4.  A call that needs no check of its arguments costs nothing when it is made. So the order of the calls
    does not matter, and the filters are as short as possible.
5.  An int argument is compared by the lower half of its register. The upper half may hold anything.

Only a process that never forks for connections may import this module: the child that
calcd.listener.filters makes.
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

# If an architecture lacks one of these calls, another one in the list replaces it.
HANDLER: tuple[Call, ...] = (
    ("read",),  # requests
    ("write",),  # replies, the report to the listener, the traceback of a defect
    ("writev", _is(0, 2)),  # glibc's message before it aborts
    # Deadlines. Other socket options reach far into the kernel.
    ("setsockopt", _is(1, socket.SOL_SOCKET), _is(2, socket.SO_RCVTIMEO)),
    ("setsockopt", _is(1, socket.SOL_SOCKET), _is(2, socket.SO_SNDTIMEO)),
    ("setsockopt", _is(1, socket.SOL_SOCKET), _is(2, socket.SO_LINGER)),  # resets a client that does not read
    ("getsockname",),  # Python, when it makes a socket object for one of these calls
    ("getsockopt",),  # likewise
    # The first half of an orderly close. The other direction would close a listening socket for all
    # processes, for good.
    ("shutdown", _is(1, socket.SHUT_WR)),
    ("close",),  # the second half of an orderly close
    ("mmap", _is_without(2, _PROT_EXEC)),  # memory that never holds code
    ("mremap",),  # memory that grows
    ("munmap",),
    ("brk",),
    ("clock_gettime",),  # where vdso(7) cannot read the clock without the kernel
    ("rt_sigreturn",),  # the end of a signal handler
    ("getpid",),  # for the report
    ("exit_group",),
)
# The calls of a handler that serves one connection after another.
REUSED_HANDLER: tuple[Call, ...] = (
    *HANDLER,
    ("accept4",),
    ("epoll_wait",),
    ("epoll_pwait",),  # which glibc calls on arm64
    ("rt_sigtimedwait",),  # the listener's answer to an admission request
    ("getppid",),  # whether the listener is alive and will answer
    ("setitimer",),  # the lifetime of a connection
    ("clock_nanosleep",),  # a pause when the system lacks what accept(2) needs
)
LISTENER: tuple[Call, ...] = (
    *REUSED_HANDLER,
    ("clone", _is(0, _FORK)),
    ("set_robust_list",),  # glibc, in the child of a fork
    ("rt_sigprocmask",),  # in the child of a fork: unblocks SIGTERM
    ("prctl", _is(0, PR_SET_SECCOMP)),  # in the child of a fork: installs the handler's filter
    ("prctl", _is(0, PR_SET_PDEATHSIG)),  # in the child of a fork: the signal that the listener has died
    ("wait4",),
    ("kill",),  # SIGTERM to handlers that shall drain, SIGKILL when the drain time is over
    ("epoll_ctl",),
    ("pread64",),  # how long the listener has waited for a CPU
    ("ioctl", _is(1, termios.FIONBIO)),  # makes sockets non-blocking
    ("setsockopt", _is(1, socket.SOL_SOCKET), _is(2, SO_BINDTOIFINDEX)),  # makes sockets refuse connections
    ("recvfrom",),  # the supervisor's commands
    ("sendto",),  # events to the supervisor
    ("rt_sigaction",),  # in the child of a fork, for its lifetime; in the interpreter, when it ends
)


def compile_listener(file: BinaryIO) -> None:
    _compile(LISTENER, ERRNO(errno.EPERM), file)


def compile_handler(file: BinaryIO, is_reused: bool) -> None:
    _compile(REUSED_HANDLER if is_reused else HANDLER, KILL_PROCESS, file)


def _compile(allowed: tuple[Call, ...], otherwise: int, file: BinaryIO) -> None:
    # Says that the kernel can kill a process for a call (Linux 4.14). To find that out, libseccomp would
    # use seccomp(2), which systemd 252 does not include in the calls of a service.
    set_api(3)
    result = SyscallFilter(otherwise)
    result.set_attr(Attr.ACT_BADARCH, KILL_PROCESS)  # the calls of 32-bit programs
    for name, *arguments in allowed:
        result.add_rule(ALLOW, name, *arguments)
    result.export_bpf(file)
