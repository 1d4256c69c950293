"""Goes to the background, and tells the caller whether that succeeded: daemon(7), "SysV daemons".

1.  python-daemon double-forks, but its DaemonContext.open() lets the caller go on before the daemon serves.
    So the caller, the launcher, forks once more. It stays until the daemon says through a socket that it
    serves, or why it does not.
2.  python-daemon is told explicitly to detach. By itself, it does not detach if the parent is PID 1, which is
    the parent of a service.
3.  Under systemd, the launcher sends READY=1 and MAINPID= while it still is the main process. With
    NotifyAccess=main, systemd takes neither from a daemon that it does not know yet. To become known, the
    daemon would have to wait until the launcher has ended.
4.  Until systemd has read that, it sends the SIGTERM of a stop to the launcher, and then waits for the
    daemon, which would not know. So the launcher stays until systemd has read it, and passes such signals on.
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

# More than the supervisor and the listener ever have open. Only handlers have a connection's file descriptor.
_MAX_OPEN_FILES = 4096
_INTERRUPTS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class HasFileno(Protocol):
    """An object with a file descriptor."""

    def fileno(self) -> int: ...


def clean_inheritance() -> None:
    """Resets what calcd has inherited from the caller: steps 2 to 4 of daemon(7), and more."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        # Python ignores the last two, so that the calls fail instead. If the caller ignored SIGCHLD, as some
        # do, the kernel would reap handlers unseen. If it ignored SIGHUP, as nohup does, calcd could not
        # reload.
        signal.signal(number, signal.SIG_DFL)
    # Interrupts wait until calcd can handle them. Otherwise the files made by then would stay behind.
    signal.pthread_sigmask(signal.SIG_SETMASK, _INTERRUPTS)
    os.umask(0o022)  # for the pidfile's folder, which everybody may read
    kept = ("PATH", "LANG", "TZ", "NOTIFY_SOCKET", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "LD_LIBRARY_PATH")
    for name in list(os.environ):
        if name not in kept and not name.startswith("LC_"):
            del os.environ[name]
    # At its import, python-daemon 2.3.2 makes a set of all file descriptors that could be open: 42 to 145 MB
    # at the hard limits of usual systems.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = min(hard, _MAX_OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, limit), limit))
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd >= limit:  # python-daemon closes those below
            os.close(fd)


def admit_signals() -> None:
    """Unblocks the signals that clean_inheritance() has blocked."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def open_standard_streams() -> None:
    """Opens standard streams that the caller has closed. Otherwise a socket would get the number 0, 1 or 2,
    and be sent the messages."""
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
    """Returns python-daemon's context manager, in which this process is the daemon.

    If stderr is None, standard error is /dev/null.
    """
    import daemon  # noqa: PLC0415 - after clean_inheritance()

    return daemon.DaemonContext(  # type: ignore[no-any-return] # has no types
        detach_process=detach,
        working_directory="/",
        umask=0,
        files_preserve=list(keep_open),
        pidfile=pidfile,
        stderr=stderr,
        signal_map={},  # the supervisor handles signals itself
        initgroups=False,  # calcd.launch.privileges has changed the identity already
    )


class Launch:
    """The daemon's end of the stream to its launcher."""

    def __init__(self, stream: int) -> None:
        self._stream = stream

    def fileno(self) -> int:
        return self._stream

    def succeeded(self, status: str) -> None:
        """Tells the launcher that the daemon serves. Raises BrokenPipeError if the launcher was
        interrupted."""
        os.write(self._stream, bytes([ExitStatus.OK]) + f"{os.getpid()} {status}".encode())
        os.close(self._stream)

    def failed(self, failure: Failure) -> None:
        """Tells the launcher why the daemon does not serve."""
        with contextlib.suppress(OSError):  # the launcher has left, or knows already
            os.write(self._stream, bytes([failure.status]) + str(failure).encode(errors="replace"))


def launch(daemon: Callable[[Launch], None]) -> None:
    """Runs daemon in another process, and returns once it serves. Raises the Failure of the daemon."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        sys.exit(_run(daemon, Launch(theirs.detach())))
    theirs.close()
    signals = SignalPipe(_INTERRUPTS)
    admit_signals()
    with ours:
        outcome = _await_outcome(ours, signals)
    os.waitpid(child, 0)  # it has ended when python-daemon forked
    if not outcome:
        raise Failure(ExitStatus.SOFTWARE, "the daemon died while it started; calcd --foreground shows how")
    status, text = outcome[0], outcome[1:].decode(errors="replace")
    if status != ExitStatus.OK:
        raise Failure(ExitStatus(status), text)
    pid, _, text = text.partition(" ")
    sd_notify.tell(f"MAINPID={pid}", "READY=1", f"STATUS={text}")
    if "NOTIFY_SOCKET" in os.environ:
        sd_notify.wait_until_read()
        for number in {*signals.read(), *signal.sigpending()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), number)


def _await_outcome(stream: socket.socket, signals: SignalPipe) -> bytes:
    """Returns what the daemon says, or nothing if it died.

    An interrupt ends the launcher, and the daemon then stops and removes its files. Both processes agree on
    what came first. After the shutdown(2), the daemon's write fails (EPIPE). What the daemon wrote before can
    still be read, and then the interrupt came too late.
    """
    readable, _, _ = select.select([stream.fileno(), signals.reading_end], [], [])
    interrupted = signals.reading_end in readable
    if interrupted:
        stream.shutdown(socket.SHUT_RD)
    outcome = b"".join(iter(lambda: stream.recv(4096), b""))
    if interrupted and not outcome:
        number = signals.read()[0]
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    # Interrupts are too late from now on. They are blocked, because Python removes its signal handlers before
    # it exits. Those that stay pending are the daemon's, where a service manager has sent them (reason 4).
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
