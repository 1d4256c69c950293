"""The listening sockets: systemd passes them, or calcd opens them.

The supervisor keeps the sockets open until calcd stops, so that connections in the backlog survive the
listener.
"""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from systemd import daemon

from calcd.linux.refusal import refuse_new_connections
from calcd.settings.addresses import Address
from calcd.supervisor.failure import ExitStatus, Failure
from calcd.supervisor.held import port_holder

# FileDescriptorName= in the socket unit names the protocol of a socket. systemd-socket-activate(1) and older
# units give no name; systemd then says "unknown".
_NAMES = frozenset({"classic", "unknown"})


class Listening(NamedTuple):
    """One listening socket."""

    socket: socket.socket
    is_own: bool  # opened by calcd, not passed by systemd
    file: os.stat_result | None = None  # of the socket file, if calcd made one

    def __str__(self) -> str:
        name = self.socket.getsockname()
        if self.socket.family == socket.AF_UNIX:
            return f"unix:{name}"
        return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"

    def close(self) -> None:
        """Closes the socket, and removes its file if calcd made it and nobody has replaced it.

        Nobody can connect to one of calcd's own any more. A listener that has it open serves what has queued.
        A second call does nothing.
        """
        if self.socket.fileno() == -1:
            return
        if self.is_own:
            refuse_new_connections(self.socket)
        if self.file is not None:
            path = Path(self.socket.getsockname())
            # The file stays if only root may remove it and calcd is no longer root, or if the file system
            # has become read-only. The next start replaces it.
            with contextlib.suppress(OSError):
                if os.path.samestat(path.lstat(), self.file):
                    path.unlink()
        self.socket.close()


class Sockets:
    """All listening sockets. An object never changes: a reload makes a new one."""

    def __init__(self, passed: Iterable[Listening] = (), own: dict[Address, Listening] | None = None) -> None:
        self._passed = tuple(passed)
        self.are_passed = bool(self._passed)
        self._own = own or {}

    def __iter__(self) -> Iterator[Listening]:
        yield from self._passed
        yield from self._own.values()

    def __str__(self) -> str:
        return ", ".join(map(str, self))

    def for_addresses(self, addresses: Sequence[Address], backlog: int) -> "Sockets":
        """Returns the sockets for these addresses, all with this backlog.

        Sockets that are open stay open, the others are opened. If systemd passed the sockets, the addresses
        are ignored and self is returned.

        Raises Failure. No new socket is open then.
        """
        if self.are_passed:
            return self
        if not addresses:
            raise Failure(ExitStatus.CONFIG, "nowhere to listen: give an address with Listen= or --listen")
        own: dict[Address, Listening] = {}
        try:
            for address in addresses:
                if kept := self._own.get(address):
                    kept.socket.listen(backlog)  # the second call changes only the backlog
                own[address] = kept or _open(address, backlog)
        except Failure:
            Sockets(own=own).close_all_but(self)
            raise
        return Sockets(own=own)

    def close_all_but(self, kept: "Sockets") -> None:
        for listening in set(self) - set(kept):
            listening.close()

    def close(self) -> None:
        self.close_all_but(Sockets())


def take_passed() -> Sockets:
    """Returns the sockets that systemd passed, and removes its environment variables: sd_listen_fds(3).

    Call it before the first fork, because LISTEN_PID is the process that systemd started.

    Raises Failure for a socket that calcd cannot serve.
    """
    passed = []
    try:
        names = daemon.listen_fds_with_names(unset_environment=True)
    except OSError as error:
        raise Failure(
            ExitStatus.CONFIG,
            f"the sockets that LISTEN_FDS= announces cannot be taken over: {error.strerror}; let systemd "
            "pass them, or unset it",
        ) from error
    for fd, name in names.items():
        if name not in _NAMES:
            raise Failure(
                ExitStatus.CONFIG,
                f"the socket unit passes a socket named {name!r}: calcd knows 'classic'; set "
                "FileDescriptorName=classic in the unit",
            )
        if not stat.S_ISSOCK(os.fstat(fd).st_mode) or not _is_listening_stream(fd):
            raise Failure(
                ExitStatus.CONFIG,
                f"file descriptor {fd} that the socket unit passes is not a listening stream socket: it "
                "takes ListenStream= and Accept=no",
            )
        listening = socket.socket(fileno=fd)
        os.set_inheritable(fd, False)
        passed.append(Listening(listening, is_own=False))
    return Sockets(passed=passed)


def _is_listening_stream(fd: int) -> bool:
    with socket.socket(fileno=os.dup(fd)) as copy:
        return (
            copy.family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
            and copy.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
            and copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        )


def _open(address: Address, backlog: int) -> Listening:
    try:
        listening = socket.socket(address.family, socket.SOCK_STREAM)
    except OSError as error:  # for example no IPv6, or no file descriptor left
        raise _failure(address, error) from error
    try:
        if address.family == socket.AF_UNIX:
            return _bind_file(listening, address, backlog)
        # Without it, an earlier calcd's connections in TIME_WAIT would keep the port for a minute.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Each reply is complete and the client waits for it. Accepted connections inherit the option.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel looks for a client that vanished silently after net.ipv4.tcp_keepalive_time (tcp(7)).
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if address.family == socket.AF_INET6:  # without it, Listen= could not have both [::] and 0.0.0.0
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address.sockaddr)
        listening.listen(backlog)
        return Listening(listening, is_own=True)
    except OSError as error:
        listening.close()
        raise _failure(address, error) from error
    except Failure:
        listening.close()
        raise


def _bind_file(listening: socket.socket, address: Address, backlog: int) -> Listening:
    path = Path(address.path)
    _remove_stale(path)
    listening.bind(address.sockaddr)
    # connect(2) needs write permission. Every user of the machine gets it, as for a loopback port.
    path.chmod(0o666)
    listening.listen(backlog)
    return Listening(listening, is_own=True, file=path.lstat())


def _remove_stale(path: Path) -> None:
    """Removes a socket file on which nobody listens, because its daemon was killed.

    Raises Failure if the file is not a socket, and OSError (EADDRINUSE) if somebody listens.
    """
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Failure(
                ExitStatus.CANNOT_CREATE,
                f"cannot listen on unix:{path}: a file that is not a socket has that name; remove it",
            )
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:  # somebody listens, with a full backlog
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _failure(address: Address, error: OSError) -> Failure:
    match error.errno:
        case errno.EADDRINUSE:
            holder = port_holder.find(address)
            if holder and holder.pid == os.getpid():
                return Failure(
                    ExitStatus.CONFIG, f"cannot listen on {address}: another address of Listen= includes it"
                )
            who = f"{holder.name} (PID {holder.pid})" if holder else "another process"
            return Failure(
                ExitStatus.UNAVAILABLE,
                f"cannot listen on {address}: {who} does; stop that one, or choose another address with "
                "--listen",
            )
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return Failure(
                ExitStatus.UNAVAILABLE,
                f"cannot listen on {address}: {error.strerror}; choose an address of this machine "
                "(ip address lists them) with --listen",
            )
        case errno.EACCES | errno.EPERM:
            remedy = (
                "the folder, or the socket that is there, is somebody else's"
                if address.family == socket.AF_UNIX
                else "a port below 1024 takes root"
            )
            return Failure(
                ExitStatus.NO_PERMISSION,
                f"cannot listen on {address}: {error.strerror}: {remedy}; start calcd as root, or choose "
                "another address with --listen",
            )
        case _:
            return Failure(
                ExitStatus.CANNOT_CREATE,
                f"cannot listen on {address}: {error.strerror}; choose another address with --listen",
            )
