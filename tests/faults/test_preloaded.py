"""Libraries that an administrator has put into every program: /etc/ld.so.preload.

calcd cleans the environment of its listener, so LD_PRELOAD does not get there. Each test has an /etc of
its own.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.c_programs import build
from support.daemon import TREE, Calcd, ask

from calcd.protocol.classic import Operation

LESS = r"handlers are not killed for system calls .* not on their list: {}\. Most likely a library .*"
NONE = r"listener and handlers may make any system call, because .* not on their lists: {}: leave out .*"
# What Debian has to preload; the name of the file depends on the release.
ALLOCATORS = ("libjemalloc.so.2", "libmimalloc.so.*", "libtcmalloc_minimal.so.4")

pytestmark = pytest.mark.usefixtures("every_mode")


def library(name: str) -> Path:
    found = sorted(Path("/usr/lib").glob(f"*/{name}"))
    assert found, f"{name} is missing: run ./check"
    return found[0]


def preloaded(library: Path, folder: Path) -> tuple[str, ...]:
    """A prefix for Calcd."""
    upper, work = folder / "upper", folder / "work"
    upper.mkdir()
    work.mkdir()
    (upper / "ld.so.preload").write_text(f"{library}\n")
    mount = f"mount -t overlay overlay -o lowerdir=/etc,upperdir={upper},workdir={work} /etc"
    return "unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"


@pytest.fixture
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("overlay")
    yield folder
    shutil.rmtree(folder)


def filters_of_a_handler(calcd: Calcd, library: Path) -> int:
    """How many hold one that has served, with the library in it."""
    with calcd.connect() as connection:
        for _ in range(1000):
            assert ask(connection, Operation.MUL, 6, 7) == 42
        title = "calcd: serving {}:{}".format(*connection.getsockname())
        (handler,) = [process for process in calcd.handlers if process.belongs(lambda p: p.title == title)]
        assert str(library.resolve()) in Path(f"/proc/{handler.pid}/maps").read_text()
        return int(handler.status("Seccomp_filters")) - int(calcd.supervisor.status("Seccomp_filters"))


@pytest.mark.parametrize("name", ALLOCATORS)
def test_an_allocator_does_what_it_needs_under_the_filters(folder: Path, overlay: Path, name: str) -> None:
    allocator = library(name)
    with Calcd(folder, prefix=preloaded(allocator, overlay)) as calcd:
        assert filters_of_a_handler(calcd, allocator) == 2


def test_a_library_that_makes_other_calls_is_found_out_before_handlers_die_of_it(
    folder: Path, overlay: Path
) -> None:
    faketime = library("faketime/libfaketimeMT.so.1")
    with Calcd(folder, prefix=preloaded(faketime, overlay)) as calcd:
        calcd.expected.append(LESS.format("rt_sigprocmask"))
        assert filters_of_a_handler(calcd, faketime) == 1
        assert calcd.reload().returncode == 0
        assert filters_of_a_handler(calcd, faketime) == 1
        (line,) = calcd.wait_for_log(LESS.format(r"\w+"))  # once, whatever listener follows
        assert line


@pytest.mark.parametrize(
    ("how", "outcome"),
    [((), (1, LESS)), (("-DABORTS",), (0, NONE))],
    ids=["that does without", "that dies when it fails"],
)
def test_the_log_names_the_call(
    folder: Path, overlay: Path, how: tuple[str, ...], outcome: tuple[int, str]
) -> None:
    meddler = build("preload", overlay, "-shared", "-fPIC", *how)
    filters, says = outcome
    with Calcd(folder, prefix=preloaded(meddler, overlay)) as calcd:
        calcd.expected.append(says.format("getcwd"))
        assert filters_of_a_handler(calcd, meddler) == filters
        calcd.wait_for_log(says.format("getcwd"))


def test_a_supervisor_from_before_an_upgrade_is_not_told_what_it_does_not_know(
    folder: Path, overlay: Path, tmp_path: Path
) -> None:
    shutil.copytree(TREE / "calcd", tmp_path / "tree" / "calcd")
    source = tmp_path / "tree" / "calcd" / "supervisor" / "held" / "listener_process.py"
    text, times = re.subn(r' *"hears_of_calls": 1,.*\n', "", source.read_text())
    assert times == 1
    source.write_text(text)
    meddler = build("preload", overlay, "-shared", "-fPIC")
    prefix = preloaded(meddler, overlay)
    with Calcd(folder, prefix=prefix, tree=tmp_path / "tree") as calcd:
        calcd.expected.append("calcd: a seccomp filter is left out, because handlers call getcwd")
        assert filters_of_a_handler(calcd, meddler) == 1
        calcd.wait_for_log(calcd.expected[0])
