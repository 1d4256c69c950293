"""Going to the background, and telling who started calcd how that went: daemon(7), "SysV daemons".

1.  python-daemon double-forks, but its DaemonContext.open() lets the caller go on before the daemon
    serves. So the caller, the launcher, forks once more, and stays until the daemon says through a pipe
    that it serves, or why not.
2.  python-daemon must be told to detach: by itself it does not where the parent is PID 1, which is
    what starts a service.
3.  Under systemd it is the launcher that says READY=1, and MAINPID= with it, while it still is the main
    process: NotifyAccess=main takes neither from a daemon that systemd does not know yet, and the daemon
    would have to wait for the launcher's end to be known.
"""

import contextlib
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Protocol, TextIO

from calcd.linux.signals import SignalPipe
from calcd.supervisor import sd_notify
from calcd.supervisor.failure import ExitStatus, Failure, system_failure
from calcd.supervisor.held.pidfile import Pidfile

# More than supervisor and listener ever have open; a connection's is in its handler.
_MAX_OPEN_FILES = 4096
_INTERRUPTS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class HasFileno(Protocol):
    def fileno(self) -> int: ...


def clean_inheritance() -> None:
    """Gets rid of what the caller happened to leave to calcd: steps 2 to 4 of daemon(7), and more."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        # The last two Python ignores, to turn them into errors of the call. An ignored SIGCHLD (a
        # caller's habit) would reap the handlers unseen, and nohup's SIGHUP make a reload impossible.
        signal.signal(number, signal.SIG_DFL)
    # An interrupt has to wait until it can be answered, or what has been made by then would stay behind.
    signal.pthread_sigmask(signal.SIG_SETMASK, _INTERRUPTS)
    os.umask(0o022)  # for the pidfile's folder, in which everybody may look
    kept = ("PATH", "LANG", "TZ", "NOTIFY_SOCKET", "JOURNAL_STREAM")
    for name in list(os.environ):
        if name not in kept and not name.startswith("LC_"):
            del os.environ[name]
    # python-daemon 2.3.2 makes a set of all file descriptors that could be open when it is imported: 42
    # to 145 MB at the hard limits that systems have.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = min(hard, _MAX_OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, limit), limit))
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd >= limit:  # python-daemon closes the ones below
            os.close(fd)


def admit_signals() -> None:
    """Ends the wait of those that clean_inheritance() lets wait."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def open_standard_streams() -> None:
    """Where the caller closed one of 0, 1 and 2, a socket would get that number, and messages with it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for the life of the process


def context(
    *,
    detach: bool,
    keep_open: Sequence[HasFileno | int],
    stderr: TextIO | None,
    pidfile: Pidfile | None,
) -> contextlib.AbstractContextManager[object]:
    """python-daemon's context: in it, this is the daemon. stderr None is /dev/null."""
    import daemon  # noqa: PLC0415 - after clean_inheritance()

    return daemon.DaemonContext(  # type: ignore[no-any-return] # has no types
        detach_process=detach,
        working_directory="/",
        umask=0,
        files_preserve=list(keep_open),
        pidfile=pidfile,
        stderr=stderr,
        signal_map={},  # the supervisor has its own
        initgroups=False,  # the identity is taken on already: calcd.launch.privileges
    )


class Launch:
    """The daemon's end of the stream to its launcher."""

    def __init__(self, stream: int) -> None:
        self._stream = stream

    def fileno(self) -> int:
        return self._stream

    def succeeded(self, status: str) -> None:
        """The daemon serves. Raises BrokenPipeError when the launcher was interrupted."""
        assignments = (f"MAINPID={os.getpid()}", "READY=1", f"STATUS={status}")
        os.write(self._stream, bytes([ExitStatus.OK]) + "\n".join(assignments).encode())
        os.close(self._stream)

    def failed(self, failure: Failure) -> None:
        with contextlib.suppress(OSError):  # the launcher has left, or has been told
            os.write(self._stream, bytes([failure.status]) + str(failure).encode(errors="replace"))


def launch(daemon: Callable[[Launch], None]) -> None:
    """Runs daemon in a process of its own, and returns in this one once it serves.

    Raises the daemon's Failure.
    """
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        sys.exit(_run(daemon, Launch(theirs.detach())))
    theirs.close()
    with ours:
        outcome = _await_outcome(ours)
    os.waitpid(child, 0)  # python-daemon's first parent, which has left
    if not outcome:
        raise Failure(ExitStatus.SOFTWARE, "the daemon died while it started; calcd --foreground shows how")
    status, text = outcome[0], outcome[1:].decode(errors="replace")
    if status != ExitStatus.OK:
        raise Failure(ExitStatus(status), text)
    sd_notify.tell(text)


def _await_outcome(stream: socket.socket) -> bytes:
    """What the daemon says, empty when it died. An interrupt ends the launcher; the daemon takes all back.

    Both agree on which came first: from the shutdown(2) on, what the daemon says fails (EPIPE); what it had
    said before is still to be read, and then the interrupt was too late.
    """
    signals = SignalPipe(_INTERRUPTS)
    admit_signals()
    select.select([stream.fileno(), signals.reading_end], [], [])
    interrupts = signals.read()
    if interrupts:
        stream.shutdown(socket.SHUT_RD)
    outcome = b"".join(iter(lambda: stream.recv(4096), b""))
    if interrupts and not outcome:
        signal.signal(interrupts[0], signal.SIG_DFL)
        os.kill(os.getpid(), interrupts[0])
    # What comes from now on is too late. Blocked, because Python takes its handlers away before it exits.
    signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    return outcome


def _run(daemon: Callable[[Launch], None], launch: Launch) -> ExitStatus:
    try:
        daemon(launch)
        return ExitStatus.OK
    except Failure as refused:
        failure = refused
    except OSError as error:
        failure = system_failure(error)
    launch.failed(failure)
    return failure.status
