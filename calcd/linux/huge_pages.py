"""Moves the interpreter's program text to huge pages, if the kernel has them.

1.  fork(2) does not copy the page tables of program text. A handler runs through some 40 places of the text.
    Each of them is a page fault that maps 64 KiB, and exit(2) unmaps all of it: 100 us for each connection.
    A huge page (2 MiB on x86-64) is one entry of a page table, and one page fault.
2.  The page cache of most file systems has no huge pages (Linux 6.12), but memory without a file has them
    (memfd_create(2)). So the text is copied there, and the copy is mapped over the original. Node.js does the
    same for --use-largepages.
3.  The copy is sealed before it is mapped, so nobody can write to it. It is never both writable and
    executable, not even one after the other, so a service with MemoryDenyWriteExecute= may map it.

If any of this fails, the text stays as it is, or in small pages. This is slower, and has no other effect.
"""

from __future__ import annotations

import fcntl
import os

from calcd.linux.libc import Char, UnsignedLong, address_of, bare_libc

# mmap(2). On alpha and parisc 0x10 is MAP_ANONYMOUS: the mapping is elsewhere, then, and the text as it was.
_PROT_READ, _PROT_EXEC = 1, 4
_MAP_PRIVATE, _MAP_FIXED = 0x02, 0x10
_MADV_COLLAPSE = 25  # madvise(2), Linux 6.1
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def move_program_text() -> None:
    """Moves the text. The process must have one thread. The copy takes the memory of the text, 4 MiB with
    Debian's Python."""
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
    """Returns the range of addresses around the interpreter's code where its file is mapped read-only:
    proc(5)."""
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
    """Copies the text and seals the copy. Returns whether that succeeded."""
    original = (Char * len(text)).from_address(text.start)
    try:
        if os.pwrite(copy, original, 0) < len(text):
            return False
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:  # no memory, or LimitFSIZE= is too small
        return False
    return True


def _map(copy: int, text: range) -> None:
    mmap = bare_libc.mmap
    mmap.argtypes = (UnsignedLong,) * 6
    mmap.restype = UnsignedLong
    madvise = bare_libc.madvise
    madvise.argtypes = (UnsignedLong,) * 3
    # If a call fails, the program continues in the text that was mapped before, which has the same bytes.
    protection, flags = _PROT_READ | _PROT_EXEC, _MAP_PRIVATE | _MAP_FIXED
    if mmap(text.start, len(text), protection, flags, copy, 0) == text.start:
        madvise(text.start, len(text), _MADV_COLLAPSE)
