"""What a process finds that is confined as the service is: run by an ExecStartPre= in its unit, it prints
that as one line of JSON. The standard library alone: it is run where the tests are not."""

import errno
import json
import mmap
import os
import resource
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

DONE = "done"
IT_SEES = ("/", "/usr", "/bin", "/lib", "/etc/calcd", "/run", "/run/systemd/journal", "/tmp", "/var/tmp")
MINE = Path("/run/calcd/sandbox")


def attempt(action: Callable[[], object]) -> str:
    """The name of the error in which it ends, or DONE."""
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return DONE


def execute(path: Path | str, *arguments: str) -> str:
    return attempt(lambda: subprocess.run([path, *arguments], capture_output=True, check=False))


def map_code(path: Path) -> None:
    with path.open("rb") as file:
        mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)


def execute_in_memory() -> str:
    file = os.memfd_create("true")
    os.write(file, Path("/usr/bin/true").read_bytes())
    return attempt(lambda: subprocess.run([f"/proc/self/fd/{file}"], pass_fds=[file], check=True))


def folders() -> list[str]:
    """All that there are, but for processes."""
    found = []
    for folder, inner, _ in os.walk("/"):
        if folder == "/":
            inner.remove("proc")
        found.append(folder)
    return found


def devices() -> list[str]:
    """Those that it may open."""
    kinds = {path: path.lstat().st_mode for path in Path("/dev").rglob("*")}
    return sorted(
        path.name
        for path, mode in kinds.items()
        if (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and os.access(path, os.R_OK)
    )


def processes() -> list[Path]:
    return [path for path in Path("/proc").iterdir() if path.name.isdecimal()]


def interfaces() -> list[str]:
    _, _, *lines = Path("/proc/self/net/dev").read_text().splitlines()
    return [line.partition(":")[0].strip() for line in lines]


def identity_after_taking_roots() -> list[int]:
    os.setgid(0)
    os.setuid(0)
    return [*os.getresuid(), *os.getresgid()]


def main() -> None:
    writable = [folder for folder in folders() if os.access(folder, os.W_OK)]
    shutil.copy("/usr/bin/true", MINE)
    user = os.getuid()
    found = {
        "user": user,
        "group": os.getgid(),
        "writable folders": writable,
        "mask": os.umask(0o77),
        "limits": [resource.getrlimit(limit) for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)],
        "/": sorted(os.listdir("/")),
        "/etc": sorted(os.listdir("/etc")),
        "/run": sorted(os.listdir("/run")),
        "owners of processes": sorted({path.stat().st_uid for path in processes()}),
        "mounted read-only": [folder for folder in IT_SEES if os.statvfs(folder).f_flag & os.ST_RDONLY],
        "the log's sockets": sorted(os.listdir("/run/systemd/journal")),
        "log": Path("/dev/log").is_socket(),
        "execute a program of the system": execute("/usr/bin/id"),
        "execute a file of its own": execute(MINE),
        "map a file of its own as code": attempt(lambda: map_code(MINE)),
        "execute a file in memory": execute_in_memory(),
        "map memory as code": attempt(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)),
        "make a socket": {
            family.name: attempt(lambda family=family: socket.socket(family).close())  # type: ignore[misc]
            for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET)
        },
        "interfaces": interfaces(),
        "make a setuid program": attempt(lambda: MINE.chmod(0o4755)),
        "give a file away": attempt(lambda: os.chown(MINE, 0, 0)),
        "make a user namespace": subprocess.run(
            ["/usr/bin/unshare", "--user", "/usr/bin/true"], capture_output=True, check=False
        ).returncode,
        "leave its groups": attempt(lambda: os.setgroups([])),
        "devices": devices(),
        "a setting of the kernel's": Path("/proc/sys").exists(),
        "set the clock": attempt(lambda: time.clock_settime(time.CLOCK_REALTIME, time.time())),
        "set the host's name": attempt(lambda: socket.sethostname("other")),
        "shared memory": attempt(lambda: os.listdir("/dev/shm")),
        "message queues": attempt(lambda: os.listdir("/dev/mqueue")),
        "namespace of IPC": os.readlink("/proc/self/ns/ipc"),
        "change the root": attempt(lambda: os.chroot("/")),
        "choose processors": attempt(lambda: os.sched_setaffinity(0, os.sched_getaffinity(0))),
        "be in real time": attempt(lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))),
        "identity after taking root's": identity_after_taking_roots(),
    }
    MINE.unlink()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
