"""A real Debian with systemd, booted in half a second for the tests and thrown away after them.

A base root per suite is made once with mmdebstrap and kept under build/machines. Each machine is
a read-only systemd-nspawn of it with an overlay in memory: its mounts live in its own namespace, so
nothing on the host has to be unmounted, whatever way the tests end. When they are killed, their machines and
what builds a root end with them, and the next run removes what is left of them: empty folders, half a root.
"""

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from support.patience import patience
from support.processes import wait_for

SUITES = ("bookworm", "trixie")
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus"),
    *("python3-daemon", "python3-systemd", "python3-seccomp"),
    *("python3-pytest", "python3-hypothesis", "gcc", "libc6-dev", "make", "procps", "iproute2"),
    *("man-db", "manpages", "manpages-dev", "mandoc", "bash-completion", "zsh", "fish"),
    *("redis-tools", "netcat-openbsd"),
)


class Root(NamedTuple):
    """What is in a machine from the start."""

    packages: tuple[str, ...] = PACKAGES
    at_hand: tuple[str, ...] = ()  # what its apt can install without a network
    architecture: str = ""  # Debian's name for another one than the host's
    variant: str = "minbase"  # mmdebstrap's


ROOT = Root()
# What Debian's installer does: without it localhost is not a name, and the machine has its host's.
FINISH = "echo 127.0.0.1 localhost >$1/etc/hosts; echo debian >$1/etc/hostname"
TREE = Path(__file__).resolve().parents[2]
SOURCE = "/src"  # where a machine shows the tree, read-only
COPY = "/root/calcd"
COPY_TREE = f"mkdir {COPY}; tar -C {SOURCE} --exclude=./build --exclude=./.git -c . | tar -C {COPY} -x"
CACHE = TREE / "build" / "machines"
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
)
BOOT_SECONDS = 60  # as support.patience takes it, like all times here
STOP_SECONDS = 30
# Runs a command that dies with its parent, however that ends.
MORTAL = ("setpriv", "--pdeathsig", "KILL")
# Runs a command with mounts of its own.
OWN_MOUNTS = (sys.executable, str(Path(__file__).with_name("own_root.py")))


class MachineError(Exception):
    """The machine could not be built, booted or stopped; the message says what to do."""


class CommandError(MachineError):
    """A command in the machine ended with a status other than 0."""


def base_root(suite: str, root: Root) -> Path:
    """The root directory of a suite, made on first use (half a minute, 450 MB, needs the network).

    Raises MachineError when it cannot be made.
    """
    options = [
        f"--variant={root.variant}",
        f"--include={','.join(root.packages)}",
        f"--customize-hook={FINISH}",
    ]
    if root.at_hand:
        # As apt does where it is not told otherwise, with what they recommend.
        install = "apt-get --yes --download-only --option=APT::Install-Recommends=true install"
        download = f'chroot "$1" {install} {" ".join(root.at_hand)}'
        options += ["--skip=cleanup/apt", f"--customize-hook={download}"]
    mirror = []
    if root.architecture:
        options += [f"--architectures={root.architecture}"]
        mirror = ["http://deb.debian.org/debian"]  # without updates
    key = hashlib.sha256(" ".join(options).encode()).hexdigest()[:12]
    directory = CACHE / f"{suite}-{key}"
    CACHE.mkdir(parents=True, exist_ok=True)
    # Two runs of the tests that start together: one builds, the other waits for it. When the one is killed,
    # all that builds dies with it, and its mounts are gone; the lock, which they share, is free once the last
    # of them has left.
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.is_dir():
            unfinished = directory.with_suffix(".unfinished")
            # Not into what is mounted there, such as the host's /proc and /sys.
            subprocess.run(["rm", "-rf", "--one-file-system", unfinished], check=True)
            alone = (*OWN_MOUNTS, "unshare", "--pid", "--fork", "--kill-child")
            build = subprocess.run(
                [*MORTAL, *alone, "mmdebstrap", "--quiet", *options, suite, str(unfinished), *mirror],
                capture_output=True,
                text=True,
                check=False,
                pass_fds=[lock.fileno()],
            )
            if build.returncode != 0:
                raise MachineError(
                    f"mmdebstrap could not make a Debian {suite}: is there a network?\n{build.stderr}"
                )
            unfinished.rename(directory)
    return directory


class Background:
    """A command that runs in the machine beside the test, until the end of file on its standard input."""

    def __init__(self, process: subprocess.Popen[str], command: str) -> None:
        self._process = process
        self._command = command

    def read_line(self) -> str:
        """The next line it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def finish(self, seconds: float = 60) -> str:
        """Ends it and returns the rest of its output. Raises CommandError for a status other than 0."""
        output, errors = self._process.communicate(timeout=patience(seconds))
        if self._process.returncode != 0:
            raise CommandError(f"{self._command}: status {self._process.returncode}\n{output}{errors}")
        return output

    def abandon(self) -> None:
        self._process.kill()
        self._process.communicate()


class Machine:
    """A booted Debian: `with Machine("trixie") as machine: machine.run("systemctl start calcd")`.

    It has a loopback network of its own and shows the tree, read-only, as /src.
    """

    def __init__(
        self, suite: str, before_boot: str = "", *, root: Root = ROOT, options: Sequence[str] = ()
    ) -> None:
        """before_boot is bash, run in the machine's root when nothing runs in it yet; options are more of
        systemd-nspawn's."""
        self.suite = suite
        self._root = root
        self._options = options
        self._before_boot = before_boot
        self.name = f"calcd-{suite}-{os.getpid()}-{secrets.token_hex(4)}"
        self.leader = 0  # its PID 1, by the host's number
        self._backgrounds: list[Background] = []
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        require_host()
        remove_leftovers()
        root = base_root(self.suite, self._root)
        with self._cleanup:
            self._boot(root)
            self._cleanup = self._cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._cleanup:
            for background in self._backgrounds:
                background.abandon()

    def run(
        self, command: str, *, check: bool = True, stdin: str = "", seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs a bash command as root. Raises CommandError for a status other than 0 if check is on."""
        done = subprocess.run(
            self._inside(command),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=patience(seconds),
            check=False,
        )
        if check and done.returncode != 0:
            raise CommandError(f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def output(self, command: str, *, seconds: float = 60) -> str:
        """What a bash command prints, without the last newline. Raises CommandError."""
        return self.run(command, seconds=seconds).stdout.rstrip("\n")

    def spawn(self, command: str) -> Background:
        """Starts a bash command beside the test; what is still running at the end dies with the machine."""
        pipe = subprocess.PIPE
        process = subprocess.Popen(self._inside(command), stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        background = Background(process, command)
        self._backgrounds.append(background)
        return background

    def journal(self, arguments: str = "") -> list[dict[str, Any]]:
        """The journal's entries, oldest first, as journalctl's JSON: field name to value."""
        # --sync: everything that was sent to journald before this call is in the file after it.
        lines = self.output(f"journalctl --sync && journalctl --output=json --all --no-pager {arguments}")
        return [json.loads(line) for line in lines.splitlines()]

    def show(self, unit: str, property_name: str) -> str:
        """One property of a unit, as `systemctl show` prints it."""
        return self.output(f"systemctl show --value --property={property_name} {unit}")

    def wait_for(self, command: str) -> None:
        """Returns as soon as a bash command's status is 0."""
        wait_for(lambda: self.run(command, check=False).returncode == 0, command)

    def forbid_namespaces(self) -> None:
        """For all that starts from now on, in a machine that has a user namespace of its own."""
        limits = "/proc/sys/user/max_{mnt,net,ipc,uts,user}_namespaces"
        subprocess.run(
            [*self._enter("-U"), "bash", "-c", f"for limit in {limits}; do echo 0 >$limit; done"], check=True
        )

    def _inside(self, command: str) -> list[str]:
        # To enter a namespace that one is in is no error but for the user namespace.
        own_users = [] if _users_of(self.leader) == _users_of(os.getpid()) else ["-U"]
        enter = self._enter(*own_users, "-m", "-u", "-i", "-n", "-p", "-C", "--root")
        return [*enter, "env", "-i", "-C", "/", *ENVIRONMENT, "bash", "-c", command]

    def _enter(self, *namespaces: str) -> list[str]:
        return ["nsenter", "-t", str(self.leader), *namespaces]

    def _boot(self, root: Path) -> None:
        cgroups = self._cleanup.enter_context(_own_cgroups(self.name))
        console = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the stack
        self._cleanup.enter_context(console)
        # Closed once the machine is up: it goes on to notify, and would stand still when nobody reads.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(f"\0{self.name}")
            ready.settimeout(0.1)
            nspawn = subprocess.Popen(
                [
                    *MORTAL,
                    *("sh", "-c", 'for cgroup in $0; do echo $$ >"$cgroup/cgroup.procs"; done; exec "$@"'),
                    " ".join(map(str, cgroups)),
                    *OWN_MOUNTS,
                    *("systemd-nspawn", "--quiet", "--settings=no", f"--machine={self.name}"),
                    *("--directory", str(root), "--read-only", "--volatile=overlay"),
                    *(f"--bind-ro={TREE}:{SOURCE}", f"--tmpfs={SOURCE}/build"),
                    # Neither machined nor a unit is needed: the host may have no systemd running.
                    *("--register=no", "--keep-unit", "--link-journal=no", "--console=pipe"),
                    *self._options,
                    *("--private-network", "--notify-ready=yes", "--kill-signal=SIGRTMIN+3"),
                    # PID 1 dies with nspawn, also where it would not shut down any more.
                    *(*MORTAL, "bash", "-e", "-c", f"{self._before_boot}\nexec /lib/systemd/systemd"),
                ],
                env={**os.environ, "NOTIFY_SOCKET": f"@{self.name}"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                process_group=0,  # Ctrl-C is for the tests, which then stop the machine
            )
            self._cleanup.callback(self._stop, nspawn)
            began = time.monotonic()
            notifications: list[str] = []
            while "READY=1" not in notifications:
                with contextlib.suppress(TimeoutError):
                    notifications = ready.recv(4096).decode().splitlines()
                    for line in notifications:
                        if line.startswith("X_NSPAWN_LEADER_PID="):
                            self.leader = int(line.partition("=")[2])
                waited = time.monotonic() - began
                if nspawn.poll() is not None or waited > patience(BOOT_SECONDS):
                    console.seek(0)
                    raise MachineError(
                        f"{self.name} did not boot:\n{console.read().decode(errors='replace')}"
                    )

    def _stop(self, nspawn: subprocess.Popen[bytes]) -> None:
        nspawn.terminate()  # nspawn passes it on: an orderly shutdown
        try:
            nspawn.wait(patience(STOP_SECONDS))
        except subprocess.TimeoutExpired:
            # The machine's PID 1, and all of its processes with it; without it, nspawn ends as well.
            os.kill(self.leader or nspawn.pid, signal.SIGKILL)
            nspawn.wait()
            raise MachineError(f"{self.name} did not stop, and was killed") from None


def _users_of(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/user")


def require_host() -> None:
    if os.geteuid() != 0:
        raise MachineError("the system tests boot machines, which only root may: run ./check as root")
    for tool, package in (
        ("mmdebstrap", "mmdebstrap"),
        ("systemd-nspawn", "systemd-container"),
        ("nsenter", "util-linux"),
        ("setpriv", "util-linux"),
    ):
        if shutil.which(tool) is None:
            raise MachineError(f"{tool} is missing: apt-get install {package}, or run ./check")


@contextlib.contextmanager
def _own_cgroups(name: str) -> Iterator[list[Path]]:
    """A cgroup of that name below our own, in each hierarchy that systemd uses.

    nspawn puts the machine's tree below the cgroup it is started in: two machines that were started
    in the same one would each kill and count the other's processes.
    """
    with contextlib.ExitStack() as cleanup:
        if not _our_cgroups():  # a chroot with no more than the file systems it was given
            subprocess.run(["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"], check=True)
            cleanup.callback(subprocess.run, ["umount", "--lazy", "/sys/fs/cgroup"], check=True)
        cgroups = [ours / name for ours in _our_cgroups()]
        for cgroup in cgroups:
            cgroup.mkdir()
            cleanup.callback(
                wait_for, functools.partial(_remove_folders, cgroup), f"the end of all in {cgroup}"
            )
        yield cgroups


def remove_leftovers() -> None:
    """Of machines whose tests were killed: empty cgroups, and empty folders of nspawn's."""
    folders = [*_our_cgroups(), *Path("/run/systemd/nspawn").glob("*")]
    for left in [path for folder in folders for path in folder.glob("calcd-*-*-*")]:
        pid = left.name.split("-")[2]
        if not Path("/proc", pid).exists():
            _remove_folders(left)


def _our_cgroups() -> list[Path]:
    """The cgroup that we are in ourselves, in cgroup v2 and in v1's name=systemd: what is mounted of them."""
    ours = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        ours[controllers] = path
    mounted: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, filesystem = line.partition(" - ")
        root, mount_point = mount.split()[3:5]
        kind, _, options = filesystem.split()
        controllers = "" if kind == "cgroup2" else "name=systemd"
        # The first one counts: the same hierarchy may be mounted once more, in somebody's chroot.
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            mounted.setdefault(controllers, Path(mount_point, os.path.relpath(ours[controllers], root)))
    return list(mounted.values())


def _remove_folders(top: Path) -> bool:
    """False when they are not empty: in a cgroup, a process is not quite dead."""
    try:
        for directory, _, _ in os.walk(top, topdown=False):
            Path(directory).rmdir()
    except OSError:  # or one went away by itself
        return False
    return True
