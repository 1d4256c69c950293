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
6.  An architecture has some of these calls under another name, and only one of several that are alike.
    libseccomp leaves out the calls that an architecture lacks (seccomp_rule_add(3)), so the lists are for
    all.

Only a process that never forks for connections may import this module: the child that
calcd.listener.filters makes.
"""

import errno
import mmap
import signal
import socket
import termios
from collections.abc import Iterator
from typing import BinaryIO

from seccomp import (
    ALLOW,
    ERRNO,
    KILL_PROCESS,
    MASKED_EQ,
    Arch,
    Arg,
    Attr,
    SyscallFilter,
    resolve_syscall,
    set_api,
)

from calcd.linux.prctl import PR_SET_PDEATHSIG, PR_SET_SECCOMP
from calcd.linux.refuse_connections import SO_BINDTOIFINDEX

Call = tuple[str, *tuple[Arg, ...]]  # its name, and what its arguments must be


def _is(argument: int, value: int) -> Arg:
    return Arg(argument, MASKED_EQ, 0xFFFF_FFFF, value)


def _is_without(argument: int, bit: int) -> Arg:
    return Arg(argument, MASKED_EQ, bit, 0)


_SHUTDOWN, _SETSOCKOPT = 13, 14  # socketcall(2), linux/net.h
_FORK = signal.SIGCHLD | 0x0100_0000 | 0x0020_0000  # and CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID: glibc's

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
    # Both, where the C library has one call for everything about a socket, as on i386 and s390x. Its
    # arguments are in memory, where no filter sees them: any option, and either direction.
    ("socketcall", _is(0, _SETSOCKOPT)),
    ("socketcall", _is(0, _SHUTDOWN)),
    # The next number of calcd.handler.client_ids: only that file can be moved in. To check that it is moved
    # by one would cost each connection 20 us (4).
    ("lseek",),
    ("_llseek",),  # likewise on 32-bit systems
    ("close",),  # the second half of an orderly close
    ("mmap", _is_without(2, mmap.PROT_EXEC)),  # memory that never holds code
    ("mmap2", _is_without(2, mmap.PROT_EXEC)),  # likewise on 32-bit systems
    ("mremap",),  # memory that grows
    ("munmap",),
    ("brk",),
    ("clock_gettime",),  # where vdso(7) cannot read the clock without the kernel
    ("clock_gettime64",),  # likewise on 32-bit systems
    ("rt_sigreturn",),  # the end of a signal handler
    ("sigreturn",),  # likewise on i386 and arm
    ("getpid",),  # for the report
    ("exit_group",),
    # What calcd does not need, and memory allocators do that may have been preloaded: mimalloc, jemalloc,
    # tcmalloc. None of it reaches further than the process itself.
    ("mprotect", _is_without(2, mmap.PROT_EXEC)),  # memory is reserved first, and opened up when it is used
    # Memory is given back, or is to come in huge pages: not what tests failing memory (MADV_HWPOISON), nor
    # what reaches a file (MADV_REMOVE).
    ("madvise", _is(2, mmap.MADV_DONTNEED)),
    ("madvise", _is(2, mmap.MADV_FREE)),
    ("madvise", _is(2, mmap.MADV_HUGEPAGE)),
    ("madvise", _is(2, mmap.MADV_NOHUGEPAGE)),
    ("sched_yield",),  # a lock is waited for; and the listener lets handlers start
    # Not futex: nobody else is there to hold a lock for long, and it has had defects. Not rt_sigprocmask,
    # which libfaketimeMT makes: it keeps SIGXCPU away, the end of HandlerCpuTime=.
)
# The calls of a handler that serves one connection after another.
REUSED_HANDLER: tuple[Call, ...] = (
    *HANDLER,
    ("accept4",),
    ("epoll_wait",),
    ("epoll_pwait",),  # which glibc calls on arm64
    ("rt_sigtimedwait",),  # the listener's answer to an admission request
    ("rt_sigtimedwait_time64",),  # likewise on 32-bit systems
    ("getppid",),  # whether the listener is alive and will answer
    ("setitimer",),  # the lifetime of a connection
    ("clock_nanosleep",),  # a pause when the system lacks what accept(2) needs
    ("clock_nanosleep_time64",),  # likewise on 32-bit systems
    ("recvfrom",),  # the header of a proxy, where it is there already
    ("recv",),  # likewise on 32-bit systems
)
LISTENER: tuple[Call, ...] = (
    *REUSED_HANDLER,
    ("clone", _is(0, _FORK)),
    ("set_robust_list",),  # glibc, in the child of a fork
    ("rt_sigprocmask",),  # in the child of a fork: unblocks SIGTERM
    ("prctl", _is(0, PR_SET_SECCOMP)),  # in the child of a fork: installs the handler's filter
    ("prctl", _is(0, PR_SET_PDEATHSIG)),  # in the child of a fork: the signal that the listener has died
    ("wait4",),
    ("kill",),  # answers to handlers, their dismissal, SIGTERM to drain, SIGKILL when the drain time is over
    ("epoll_ctl",),
    ("pread64",),  # how long the listener has waited for a CPU
    ("ioctl", _is(1, termios.FIONBIO)),  # makes sockets non-blocking
    ("setsockopt", _is(1, socket.SOL_SOCKET), _is(2, SO_BINDTOIFINDEX)),  # makes sockets refuse connections
    ("sendto",),  # events to the supervisor
    ("send",),  # likewise on 32-bit systems
    ("rt_sigaction",),  # in a process that answers a scrape; in the interpreter, when it ends
)


# Where mmap(2) takes its arguments as a struct in memory, which no filter sees. i386 and m68k (4, which not
# every libseccomp knows) have mmap2 beside it; on s390x memory can become code, then.
_HAS_OLD_MMAP = (Arch.X86, 4)
_S390 = (Arch.S390, Arch.S390X)
_NATIVE = int(Arch())


def compile_listener(file: BinaryIO, architecture: int = _NATIVE) -> None:
    _compile(LISTENER, ERRNO(errno.EPERM), file, architecture)


def compile_handler(file: BinaryIO, is_reused: bool, architecture: int = _NATIVE) -> None:
    _compile(REUSED_HANDLER if is_reused else HANDLER, KILL_PROCESS, file, architecture)


def calls(allowed: tuple[Call, ...], architecture: int) -> Iterator[Call]:
    """Those that are for this architecture, with what its own are looked at for."""
    for name, *arguments in allowed:
        if architecture in _HAS_OLD_MMAP and name == "mmap":
            continue
        if architecture in _S390 and name in ("mmap", "mmap2"):
            yield (name,)
        elif architecture in _S390 and name == "clone":
            yield name, _is(1, _FORK)  # its first two arguments change places: clone(2)
        else:
            yield name, *arguments


def name_of(number: int) -> str:
    """A system call's; empty for a number that is none."""
    try:
        return str(resolve_syscall(_NATIVE, number), "ascii")
    except ValueError:
        return ""


def _compile(allowed: tuple[Call, ...], otherwise: int, file: BinaryIO, architecture: int) -> None:
    # The kernel can kill a process for a call (Linux 4.14). libseccomp would ask it by seccomp(2), which
    # systemd 252 does not count among the calls of a service.
    set_api(3)
    result = SyscallFilter(otherwise)
    if architecture != _NATIVE:  # in a test
        result.remove_arch(_NATIVE)
        result.add_arch(architecture)
    result.set_attr(Attr.ACT_BADARCH, KILL_PROCESS)  # 32-bit programs' calls
    for name, *arguments in calls(allowed, architecture):
        result.add_rule(ALLOW, name, *arguments)
    result.export_bpf(file)
