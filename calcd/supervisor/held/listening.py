"""One listening socket, and its file if it is a Unix socket that calcd made."""

import contextlib
import socket
from pathlib import Path
from typing import NamedTuple, Self

from calcd.linux.refuse_connections import refuse_new_connections
from calcd.settings.addresses import PROXIED
from calcd.supervisor.held import file_id
from calcd.supervisor.held.file_id import FileId
from calcd.supervisor.records import Fd


class OpenListening(NamedTuple):
    """A listening socket, as one supervisor hands it to the next."""

    socket: Fd
    is_own: bool
    file: FileId | None
    protocols: list[str] | None
    address: str = ""  # as Listen= has it, for one of its own; it says as well who connects
    is_proxied: bool = False


class Listening(NamedTuple):
    """One listening socket."""

    socket: socket.socket
    is_own: bool  # opened by calcd, not passed by systemd
    file: FileId | None = None  # of the socket file, if calcd made one
    protocols: tuple[str, ...] | None = None  # that are spoken here; None for Protocols=
    prefix: str = ""  # who connects: calcd.settings.addresses

    @classmethod
    def taken_over(cls, given: OpenListening, prefix: str) -> Self:
        protocols = None if given.protocols is None else tuple(given.protocols)
        return cls(socket.socket(fileno=given.socket), given.is_own, given.file, protocols, prefix)

    def handed_over(self, address: str = "") -> OpenListening:
        protocols = None if self.protocols is None else list(self.protocols)
        fd = Fd(self.socket.fileno())
        return OpenListening(fd, self.is_own, self.file, protocols, address, self.prefix == PROXIED)

    def __str__(self) -> str:
        """Returns the address as Listen= has it."""
        name = self.socket.getsockname()
        if self.socket.family == socket.AF_UNIX:
            return f"{self.prefix}unix:{name}"
        host, port = name[:2]
        if self.socket.family == socket.AF_INET6:
            is_for_one = host != "::" or self.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            zone = f"%{_zone(name[3])}" if name[3] else ""
            host = f"[{host}{zone}]" if is_for_one else "*"
        return f"{self.prefix}{host}:{port}"

    def close(self) -> None:
        """Closes the socket, and removes its file if calcd made it and nobody has replaced it.

        Nobody can connect to one of calcd's own any more, with the exception that
        calcd.linux.refuse_connections names. A listener that has it open serves what has queued.
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
                if file_id.of(path) == self.file:
                    path.unlink()
        self.socket.close()


def _zone(index: int) -> str:
    """Returns the name of an interface, or its number if it has gone."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)
