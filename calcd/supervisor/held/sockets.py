"""The listening sockets: systemd passes them, or calcd opens them.

The supervisor keeps the sockets open until calcd stops, so that connections in the backlog survive the
listener.
"""

import contextlib
import os
import socket
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from systemd import daemon

from calcd.settings import values
from calcd.settings.addresses import Address, parse_address
from calcd.settings.table import Settings
from calcd.supervisor.failure import ExitStatus, Failure
from calcd.supervisor.held import binding
from calcd.supervisor.held.listening import Listening, OpenListening

# FileDescriptorName= in the socket unit names the protocols of a socket. systemd-socket-activate(1) gives no
# name, which libsystemd calls "unknown": Protocols= holds then, as it does behind the header of a proxy.
_PROXIED = "proxied"
_PROTOCOLS = {
    "calcd": values.PROTOCOLS,
    "classic": ("classic",),
    "resp": ("resp",),
    _PROXIED: None,
    "unknown": None,
}
# The name of a socket for scrapes (calcd.listener.scrapes).
_METRICS = "metrics"


class OpenSockets(NamedTuple):
    """All listening sockets, as one supervisor hands them to the next."""

    passed: list[OpenListening]
    own: list[OpenListening]
    metrics: list[OpenListening]


class Sockets:
    """All listening sockets. An object never changes: a reload makes a new one."""

    def __init__(
        self,
        passed: Iterable[Listening] = (),
        own: dict[Address, Listening] | None = None,
        metrics: Iterable[Listening] = (),
    ) -> None:
        """metrics are those for scrapes, which systemd has passed: they are not among the others, for
        clients."""
        self._passed = tuple(passed)
        self.metrics = tuple(metrics)
        self.are_passed = bool(self._passed)
        self._own = own or {}

    @classmethod
    def taken_over(cls, given: OpenSockets) -> Self:
        """Raises ValueError for an address that this calcd does not understand."""
        own = {parse_address(each.address): Listening.taken_over(each) for each in given.own}
        passed, metrics = (map(Listening.taken_over, each) for each in (given.passed, given.metrics))
        return cls(passed, own, metrics)

    def handed_over(self) -> OpenSockets:
        return OpenSockets(
            [each.handed_over() for each in self._passed],
            [each.handed_over(str(address)) for address, each in self._own.items()],
            [each.handed_over() for each in self.metrics],
        )

    def __iter__(self) -> Iterator[Listening]:
        yield from self._passed
        yield from self._own.values()

    def __str__(self) -> str:
        return ", ".join(map(str, self))

    def for_settings(self, settings: Settings) -> "Sockets":
        """Returns the sockets that these settings ask for.

        Sockets that are open stay open, the others are opened. If systemd passed the sockets, the settings
        are ignored and self is returned.

        Raises Failure. No new socket is open then.
        """
        if self.are_passed:
            return self
        if not settings.listen:
            raise Failure(ExitStatus.CONFIG, "nowhere to listen: give an address with Listen= or --listen")
        own: dict[Address, Listening] = {}
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(lambda: Sockets(own=own).close_all_but(self))
            for address in settings.listen:
                other = address._replace(is_proxied=not address.is_proxied)
                if other in self._own and (address.port or address.path):
                    raise Failure(
                        ExitStatus.CONFIG,
                        f"cannot listen on {address}: it is open as {other}, and a reload cannot change "
                        f"whether a proxy's header is due there; restart calcd, or choose another address",
                    )
                if kept := self._own.get(address):
                    kept.socket.listen(settings.backlog)  # the second call changes only the backlog
                own[address] = kept or binding.open_socket(address, settings)
            result = Sockets(own=own, metrics=self.metrics)
            result.admit(settings)  # last, when all sockets are open
            on_failure.pop_all()
        return result

    def admit(self, settings: Settings) -> None:
        """Says who can connect to Unix sockets. Raises Failure."""
        for listening in self._own.values():
            binding.admit(listening, settings)

    def close_all_but(self, kept: "Sockets") -> None:
        for listening in set(self) - set(kept):
            listening.close()

    def close(self) -> None:
        self.close_all_but(Sockets())
        for listening in self.metrics:
            listening.close()


def take_passed() -> Sockets:
    """Returns the sockets that systemd passed, and removes its environment variables: sd_listen_fds(3).

    Call it before the first fork, because LISTEN_PID is the process that systemd started.

    Raises Failure for a socket that calcd cannot serve.
    """
    passed, metrics = [], []
    try:
        names = daemon.listen_fds_with_names(unset_environment=True)
    except OSError as error:
        raise Failure(
            ExitStatus.CONFIG,
            f"the sockets that LISTEN_FDS= announces cannot be taken over: {error.strerror}; let systemd "
            "pass them, or unset it",
        ) from error
    for fd, name in names.items():
        if name not in _PROTOCOLS and name != _METRICS:
            raise Failure(
                ExitStatus.CONFIG,
                f"the socket unit passes a socket named {name!r}: calcd knows calcd, classic, resp, "
                "proxied and metrics; set FileDescriptorName=calcd in the unit",
            )
        if not stat.S_ISSOCK(os.fstat(fd).st_mode) or not _is_listening_stream(fd):
            raise Failure(
                ExitStatus.CONFIG,
                f"file descriptor {fd} that the socket unit passes is not a listening stream socket: it "
                "takes ListenStream= and Accept=no",
            )
        listening = socket.socket(fileno=fd)
        os.set_inheritable(fd, False)
        if name == _METRICS:
            metrics.append(Listening(listening, is_own=False))
        else:
            protocols, is_proxied = _PROTOCOLS[name], name == _PROXIED
            passed.append(Listening(listening, is_own=False, protocols=protocols, is_proxied=is_proxied))
    return Sockets(passed=passed, metrics=metrics)


def _is_listening_stream(fd: int) -> bool:
    with socket.socket(fileno=os.dup(fd)) as copy:
        return (
            copy.family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
            and copy.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
            and copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        )
