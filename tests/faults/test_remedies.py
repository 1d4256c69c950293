"""A system that lacks what calcd needs: the message names the thing, the cause, and what helps there."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from support.daemon import AS_CALLER, TREE, Calcd, ask
from support.processes import DEADLINE

from calcd.protocol.classic import Operation

PYTHON = "/usr/bin/python3"
CALCD = ["-m", "calcd", "--foreground", "--log-target=stderr", "--listen=127.0.0.1:0", *AS_CALLER]


def refusal(*command: str) -> tuple[int, str]:
    """The exit status, and what is on standard error."""
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False, timeout=DEADLINE)
    return done.returncode, done.stderr


def test_missing_packages_are_named_with_what_installs_them_for_debians_python() -> None:
    """-S leaves out the folder of Debian's packages."""
    assert refusal(PYTHON, "-S", *CALCD) == (
        71,
        f"calcd: {PYTHON} cannot import daemon and systemd: apt-get install python3-daemon python3-systemd\n",
    )


def test_missing_packages_are_named_with_what_installs_them_in_a_virtual_environment(tmp_path: Path) -> None:
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    assert refusal(f"{tmp_path}/bin/python", *CALCD) == (
        71,
        f"calcd: {tmp_path}/bin/python cannot import daemon and systemd: {tmp_path}/bin/pip install "
        "'calcd[daemon]'\n",
    )


def test_an_interpreter_that_the_user_cannot_execute_is_named(tmp_path: Path) -> None:
    interpreter = tmp_path / "python3"
    shutil.copy(PYTHON, interpreter)
    interpreter.chmod(stat.S_IRWXU)
    command = [str(interpreter), "-m", "calcd", "--listen=127.0.0.1:0", "--user=nobody"]
    status, said = refusal(*command, "--log-target=stderr", f"--pidfile={tmp_path}/calcd.pid")
    assert status == 71
    assert said == (
        f"calcd: the system refuses what calcd needs: [Errno 13] Permission denied: '{interpreter}'; the "
        f"user that calcd runs as needs the right to use {interpreter}\n"
    )


@pytest.mark.parametrize(
    ("fault", "error", "has_pidfile", "thing"),
    [
        ("openat:error=ENFILE", "Too many open files in system", True, "pidfile {0}"),
        ("socket:error=EMFILE", "Too many open files", True, "control socket {0}.control"),
        ("bind:error=ENOMEM", "Cannot allocate memory", True, "control socket {0}.control"),
        ("socket:error=EMFILE", "Too many open files", False, "cannot listen on 127.0.0.1:0"),
        ("bind:error=ENOBUFS", "No buffer space available", False, "cannot listen on 127.0.0.1:0"),
    ],
)
def test_what_cannot_be_opened_at_the_start_is_named_with_the_limits_to_raise(
    tmp_path: Path, fault: str, error: str, has_pidfile: bool, thing: str
) -> None:
    pidfile = tmp_path / "calcd.pid"
    call = fault.partition(":")[0]
    only_pidfile = ["-P", str(pidfile)] if call == "openat" else []
    strace = ["strace", "-o", os.devnull, *only_pidfile, "-e", f"trace={call}", "-e", f"inject={fault}"]
    status, said = refusal(*strace, PYTHON, *CALCD, f"--pidfile={pidfile if has_pidfile else ''}")
    assert status == 71
    thing = re.escape(thing.format(pidfile))
    assert re.fullmatch(rf"calcd: {thing}: {error}\. Raise .*, or fs\.file-max, or add memory\.\n", said)


def test_a_proc_that_is_missing_is_to_be_mounted(tmp_path: Path) -> None:
    without = ["unshare", "--mount", "sh", "-c", 'umount --lazy /proc && exec "$@"', "-"]
    status, said = refusal(*without, PYTHON, *CALCD, f"--pidfile={tmp_path}/calcd.pid")
    assert status == 71
    assert said.endswith("; calcd needs /proc: mount it (mount -t proc proc /proc)\n")
    assert said.count("\n") == 1


def test_a_python_that_needs_the_library_path_has_it_in_the_listener(tmp_path: Path) -> None:
    """In a mount namespace in which the library that Debian's Python is linked to is empty."""
    (library,) = Path("/lib").glob("*-linux-gnu*/libexpat.so.1")
    folder = tmp_path / "libraries"
    folder.mkdir()
    shutil.copy(library, folder)
    hide = f"mount --bind /dev/null {os.path.realpath(library)}"
    prefix = ["unshare", "--mount", "sh", "-c", f'{hide} && LD_LIBRARY_PATH={folder} exec "$@"', "-"]
    calcd_folder = tmp_path / "calcd"
    calcd_folder.mkdir()
    with Calcd(calcd_folder, prefix=prefix) as calcd, calcd.connect() as connection:
        assert ask(connection, Operation.ADD, 1, 2) == 3
