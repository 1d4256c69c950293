"""Opens listening sockets of calcd's own, and says why one cannot be opened."""

import errno
import grp
import os
import socket
import stat
from pathlib import Path

from calcd.settings.addresses import Address
from calcd.settings.table import Settings
from calcd.supervisor.failure import ExitStatus, Failure, shortage
from calcd.supervisor.held import file_id, port_holder
from calcd.supervisor.held.listening import Listening
from calcd.supervisor.held.ownership import is_id

# ip(7); the second is in linux/in6.h. Python has no names for them.
_FREE_BIND = {socket.AF_INET: (socket.IPPROTO_IP, 15), socket.AF_INET6: (socket.IPPROTO_IPV6, 78)}


def open_socket(address: Address, settings: Settings) -> Listening:
    """Returns a new socket that listens on the address. Raises Failure."""
    try:
        listening = socket.socket(address.family, socket.SOCK_STREAM)
    except OSError as error:  # for example no IPv6, or no file descriptor left
        raise _failure(address, error) from error
    try:
        if address.family == socket.AF_UNIX:
            return _bind_file(listening, address, settings)
        # Without it, an earlier calcd's connections in TIME_WAIT would keep the port for a minute.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Each reply is complete and the client waits for it. Accepted connections inherit the option.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel looks for a client that vanished silently after net.ipv4.tcp_keepalive_time (tcp(7)).
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if address.family == socket.AF_INET6:  # without it, Listen= could not have both [::] and 0.0.0.0
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not address.is_for_both)
        if settings.free_bind:
            listening.setsockopt(*_FREE_BIND[address.family], 1)
        listening.bind(address.sockaddr())
        listening.listen(settings.backlog)
        return Listening(listening, is_own=True, prefix=address.prefix)
    except OSError as error:
        listening.close()
        raise _failure(address, error) from error
    except Failure:
        listening.close()
        raise


def admit(listening: Listening, settings: Settings) -> None:
    """Says who can connect to a Unix socket of calcd's own: SocketMode= and SocketGroup=.

    1.  connect(2) needs the right to write to the file. By default every user of the machine has it, as for a
        loopback port.
    2.  What is as it should be is left alone: at a reload calcd may have no right any more to change it.
    3.  A file that has taken the place of the socket's is somebody else's: it is left alone, and no symbolic
        link is followed.

    Raises Failure.
    """
    if listening.file is None:
        return
    path = listening.socket.getsockname()
    try:
        file = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # it has been removed, or calcd has no right any more to look at it
        return
    try:
        if file_id.of(file) != listening.file:
            return
        status = os.fstat(file)
        named = f"/proc/self/fd/{file}"  # chmod(2) and chown(2) of what is open: open(2), O_PATH
        group = group_id(settings)
        if group is not None and status.st_gid != group:
            os.chown(named, -1, group)
        if stat.S_IMODE(status.st_mode) != settings.socket_mode:
            os.chmod(named, settings.socket_mode)
    except OSError as error:
        raise Failure(
            ExitStatus.NO_PERMISSION,
            f"cannot give unix:{path} the mode and the group of SocketMode= and SocketGroup=: "
            f"{error.strerror}; restart calcd, as root if the group is another one",
        ) from error
    finally:
        os.close(file)


def group_id(settings: Settings) -> int | None:
    """Returns the group of SocketGroup=, or None for that of the process. Raises Failure."""
    group = settings.socket_group
    if not group or is_id(group):
        return int(group) if group else None
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise Failure(
            ExitStatus.NO_USER,
            f"there is no group {group!r}: create it (addgroup --system {group}) or name another with "
            "SocketGroup=",
        ) from None


def _bind_file(listening: socket.socket, address: Address, settings: Settings) -> Listening:
    path = Path(address.path)
    _remove_stale(path)
    listening.bind(address.sockaddr())
    bound = Listening(listening, is_own=True, file=file_id.of(path), prefix=address.prefix)
    try:
        admit(bound, settings)
        # Last: before, nobody can connect, whatever the mode is that the umask has left.
        listening.listen(settings.backlog)
    except (Failure, OSError):
        bound.close()
        raise
    return bound


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
    if short := shortage(f"cannot listen on {address}", error):
        return short
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
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT | errno.ENODEV:
            later = ", or set FreeBind=yes if it appears later" if error.errno == errno.EADDRNOTAVAIL else ""
            return Failure(
                ExitStatus.UNAVAILABLE,
                f"cannot listen on {address}: {error.strerror}; choose an address of this machine "
                f"(ip address lists them) with --listen{later}",
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
