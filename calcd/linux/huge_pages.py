"""The interpreter's program text in huge pages, where the kernel has them.

1.  fork(2) does not copy the page tables of program text. A handler comes by some 40 places of it, each of
    which is a page fault that maps 64 KiB anew, and exit(2) takes all of that down again: 100 us of a
    connection. A huge page (2 MiB on x86-64) is one entry of a table, and one page fault.
2.  The page cache of most file systems has no huge pages (Linux 6.12), but memory that has no file does
    (memfd_create(2)). So the text is copied there, and the copy is mapped over the original: what Node.js
    does for --use-largepages.
3.  Nobody can write to the copy: it is sealed before it is mapped. So it is never writable and executable,
    not even in turn, and a service with MemoryDenyWriteExecute= may map it.

Where any of this is not to be had, the text stays as it is, or in small pages, which is slower and no more.
"""

from __future__ import annotations

import fcntl
import os

from calcd.linux.libc import Char, UnsignedLong, address_of, bare_libc

_PROT_READ, _PROT_EXEC = 1, 4  # mmap(2)
_MAP_PRIVATE, _MAP_FIXED = 0x02, 0x10
_MADV_COLLAPSE = 25  # madvise(2), Linux 6.1
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def move_program_text() -> None:
    """For a process with one thread. It takes as much memory as there is text, 4 MiB of Debian's Python."""
    try:
        with open("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") as file:
            size = int(file.read())
        text = _whole_pages(_read_only_mappings(), size)
        copy = os.memfd_create("python's text", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError:  # no huge pages, no /proc, no memory
        return
    try:
        if text and _fill(copy, text):
            _map(copy, text)
    finally:
        os.close(copy)


def _read_only_mappings() -> range:
    """The addresses around the interpreter's code where its file is mapped, and nobody can write: proc(5)."""
    code = address_of("Py_GetVersion")
    run, run_name = range(0), b""
    with open("/proc/self/maps", "rb") as maps:
        for line in maps:
            addresses, permissions, _, _, _, name = line.split(b" ", 5)
            start, end = (int(address, 16) for address in addresses.split(b"-"))
            if start != run.stop or name != run_name or b"w" in permissions:
                if code in run:
                    return run
                run, run_name = range(start, start), name
            if b"w" not in permissions:
                run = range(run.start, end)
    return range(0)


def _whole_pages(addresses: range, size: int) -> range:
    return range(-(-addresses.start // size) * size, addresses.stop // size * size)


def _fill(copy: int, text: range) -> bool:
    """Returns whether all of it is there, for good."""
    original = (Char * len(text)).from_address(text.start)
    try:
        if os.pwrite(copy, original, 0) < len(text):
            return False
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:  # no memory, or more than this process may write: LimitFSIZE=
        return False
    return True


def _map(copy: int, text: range) -> None:
    mmap = bare_libc.mmap
    mmap.argtypes = (UnsignedLong,) * 6
    mmap.restype = UnsignedLong
    madvise = bare_libc.madvise
    madvise.argtypes = (UnsignedLong,) * 3
    # On failure of either, the processor goes on in what was mapped before: the bytes are the same.
    protection, flags = _PROT_READ | _PROT_EXEC, _MAP_PRIVATE | _MAP_FIXED
    if mmap(text.start, len(text), protection, flags, copy, 0) == text.start:
        madvise(text.start, len(text), _MADV_COLLAPSE)
