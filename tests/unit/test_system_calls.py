"""The seccomp filters of every architecture that libseccomp knows, and what they let through."""

import contextlib
import errno
import mmap
import signal
import socket
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from seccomp import Arch, resolve_syscall
from support.bpf import ALLOW, ERRNO, KILL_PROCESS, Program

from calcd.linux.seccomp import up_to
from calcd.listener import system_calls

ARCHITECTURES = {name: getattr(Arch, name) for name in dir(Arch) if name.isupper() and name != "NATIVE"}
S390 = ("S390", "S390X")
# Where they do not begin at 0. x32's are calls of x86-64's, with this bit.
FIRST_NUMBERS = {"MIPS": 4000, "MIPS64": 5000, "MIPS64N32": 6000, "X32": 0x4000_0000}

FORK = signal.SIGCHLD | 0x0120_0000  # CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID
# Of calls whose arguments are looked at: those that are let through, and others.
ARGUMENTS: dict[str, tuple[list[tuple[int, ...]], list[tuple[int, ...]]]] = {
    "writev": ([(2,)], [(3,)]),
    "setsockopt": (
        [
            (9, socket.SOL_SOCKET, socket.SO_RCVTIMEO),
            (9, socket.SOL_SOCKET, socket.SO_SNDTIMEO),
            (9, socket.SOL_SOCKET, socket.SO_LINGER),
        ],
        [(9, socket.SOL_SOCKET, 26), (9, socket.IPPROTO_IPV6, socket.SO_RCVTIMEO)],  # SO_ATTACH_FILTER
    ),
    "shutdown": ([(9, socket.SHUT_WR)], [(9, socket.SHUT_RD), (9, socket.SHUT_RDWR)]),
    "mmap": ([(0, 4096, mmap.PROT_READ | mmap.PROT_WRITE)], [(0, 4096, mmap.PROT_READ | mmap.PROT_EXEC)]),
    "mprotect": ([(0, 4096, 0), (0, 4096, mmap.PROT_READ)], [(0, 4096, mmap.PROT_EXEC)]),
    "madvise": (
        [(0, 4096, mmap.MADV_DONTNEED), (0, 4096, mmap.MADV_FREE), (0, 4096, mmap.MADV_HUGEPAGE)],
        [(0, 4096, mmap.MADV_REMOVE), (0, 4096, mmap.MADV_HWPOISON)],
    ),
    "prctl": (
        [(1,), (22,)],
        [(4,), (15,)],
    ),  # what it does when its parent dies, seccomp; neither core nor name
    "ioctl": ([(9, termios.FIONBIO)], [(9, termios.TIOCSTI)]),
    "clone": ([(FORK,)], [(FORK | 0x100,), (0x1000_0000 | FORK,)]),  # CLONE_VM, CLONE_NEWUSER
}
ARGUMENTS["mmap2"] = ARGUMENTS["mmap"]
# Where one call is for all of a socket's, its first argument says which: linux/net.h.
SOCKETCALLS = {"HANDLER": {6, 13, 14, 15}, "REUSED_HANDLER": {10, 12, 18}, "LISTENER": {9, 11}}
SOCKETCALLS["REUSED_HANDLER"] |= SOCKETCALLS["HANDLER"]
SOCKETCALLS["LISTENER"] |= SOCKETCALLS["REUSED_HANDLER"]

COMPILERS: dict[str, Callable[[BinaryIO, int], None]] = {
    "HANDLER": lambda file, architecture: system_calls.compile_handler(file, False, architecture),
    "REUSED_HANDLER": lambda file, architecture: system_calls.compile_handler(file, True, architecture),
    "LISTENER": system_calls.compile_listener,
}
DENIALS = {"HANDLER": KILL_PROCESS, "REUSED_HANDLER": KILL_PROCESS, "LISTENER": ERRNO | errno.EPERM}


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=COMPILERS)
def filter_(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def program(architecture: str, filter_: str, tmp_path: Path) -> Program:
    with (tmp_path / "program").open("wb") as file:
        COMPILERS[filter_](file, ARCHITECTURES[architecture])
    return Program((tmp_path / "program").read_bytes(), audit_architecture(architecture))


def audit_architecture(name: str) -> int:
    """What the kernel calls it."""
    return int(ARCHITECTURES["X86_64" if name == "X32" else name]) & 0xFFFF_FFFF


def calls(architecture: str) -> Iterator[tuple[int, str]]:
    """All that there are."""
    token = ARCHITECTURES[architecture]
    first = FIRST_NUMBERS.get(architecture.replace("EL", ""), 0)
    for number in range(first, first + 1024):
        with contextlib.suppress(ValueError):
            yield number, str(resolve_syscall(token, number), "ascii")


def arguments_of(name: str, architecture: str) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    if architecture in S390 and name in ("mmap", "mmap2"):
        return [(0x7000_0000,)], []  # where in memory they are
    if architecture in ("X86", "M68K") and name == "mmap":
        return [], [(0x7000_0000,)]  # likewise: mmap2 is there for it
    good, bad = ARGUMENTS.get(name, ([()], []))
    if architecture in S390 and name == "clone":
        return [(0, *words) for words in good], [(FORK, *words) for words in bad]
    return good, bad


def test_each_call_of_the_lists_is_let_through_as_it_is_meant_and_no_other_is(
    program: Program, architecture: str, filter_: str
) -> None:
    listed = {name for name, *_ in getattr(system_calls, filter_)}
    denial = DENIALS[filter_]
    found = set()
    for number, name in calls(architecture):
        if name not in listed:
            assert program.run(number) == program.run(number, [-1 & 0xFFFF_FFFF] * 6) == denial, name
        elif name == "socketcall":
            let_through = {call for call in range(32) if program.run(number, [call, 0x7000_0000]) == ALLOW}
            assert let_through == SOCKETCALLS[filter_]
        else:
            found.add(name)
            good, bad = arguments_of(name, architecture)
            for words in good:
                assert program.run(number, words) == ALLOW, (name, words)
                if program.is_64_bit and name != "mmap":  # of an int, the upper half may hold anything
                    upper = [word | 0xABCD << 32 for word in words]
                    assert program.run(number, upper) == ALLOW, (name, upper)
            for words in bad:
                assert program.run(number, words) == denial, (name, words)
    assert {"read", "write", "close", "munmap", "exit_group"} <= found
    assert {"clock_gettime", "clock_gettime64"} & found
    assert {"mmap", "mmap2"} & found


def test_calls_of_another_architecture_are_death(program: Program) -> None:
    number = 0  # read, on some
    assert program.run(number, architecture=program.architecture ^ 1) == KILL_PROCESS


def test_a_filter_for_the_first_calls_lets_the_others_through(tmp_path: Path) -> None:
    with (tmp_path / "program").open("wb") as file:
        system_calls.compile_handler(file, False)
    native = int(Arch()) & 0xFFFF_FFFF
    number = resolve_syscall(int(Arch()), "execve")
    whole = (tmp_path / "program").read_bytes()
    assert Program(up_to(number, whole), native).run(number) == KILL_PROCESS
    assert Program(up_to(number - 1, whole), native).run(number) == ALLOW
    assert Program(up_to(number, whole), native).run(resolve_syscall(int(Arch()), "read")) == ALLOW
    assert system_calls.name_of(number) == "execve"
    assert not system_calls.name_of(8191)
