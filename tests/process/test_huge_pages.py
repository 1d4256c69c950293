"""The interpreter's program text, which handlers find in huge pages."""

import os
import re
from pathlib import Path

import pytest
from support.daemon import Calcd, ask
from support.processes import Process

from calcd.protocol.classic import Operation

HUGE_PAGE = Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
COPY = "/memfd:python's text (deleted)"

pytestmark = pytest.mark.skipif(
    not HUGE_PAGE.exists() or tuple(map(int, os.uname().release.split(".")[:2])) < (6, 1),
    reason="the kernel has no huge pages that a program can ask for (transparent_hugepage, Linux 6.1)",
)


def mappings(process: Process) -> list[tuple[str, str, int]]:
    """Permissions, name, and KiB that are in huge pages: proc_pid_smaps(5)."""
    text = Path(f"/proc/{process.pid}/smaps").read_text()
    found = re.findall(r"^[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \S+ *(.*)$((?:\n\w+:.*$)+)", text, re.M)
    return [
        (permissions, name, int(re.findall(r"^ShmemPmdMapped: +(\d+) kB$", fields, re.M)[0]))
        for permissions, name, fields in found
    ]


def test_a_handler_runs_in_huge_pages_that_nobody_can_write_to(folder: Path) -> None:
    with Calcd(folder) as calcd, calcd.connect() as connection:
        assert ask(connection, Operation.ADD, 20, 22) == 42
        (handler,) = calcd.handlers
        (text,) = [mapping for mapping in mappings(handler) if mapping[1] == COPY]
        permissions, _, in_huge_pages = text
        assert permissions == "r-xp"
        assert in_huge_pages >= int(HUGE_PAGE.read_text()) // 1024
        for process in (handler, calcd.listener, calcd.supervisor):
            assert [m for m in mappings(process) if "w" in m[0] and "x" in m[0]] == []


def test_where_the_text_cannot_be_copied_it_serves_from_where_it_is(folder: Path) -> None:
    with (
        Calcd(folder, prefix=("prlimit", "--fsize=1000000")) as calcd,  # less than there is
        calcd.connect() as connection,
    ):
        assert ask(connection, Operation.ADD, 20, 22) == 42
        assert COPY not in [name for _, name, _ in mappings(calcd.listener)]
