"""The listening sockets: systemd passes them, or calcd opens them.

The supervisor keeps the sockets open until calcd stops, so that connections in the backlog survive the
listener.
"""

import contextlib
import os
import socket
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Self

from systemd import daemon

from calcd.settings import values
from calcd.settings.addresses import METRICS, PROXIED, Address, parse_address
from calcd.settings.table import Settings
from calcd.supervisor.failure import ExitStatus, Failure
from calcd.supervisor.held import binding
from calcd.supervisor.held.listening import Listening, OpenListening

# FileDescriptorName= in the socket unit names the protocols of a socket. systemd-socket-activate(1) gives no
# name, which libsystemd calls "unknown": Protocols= holds then, as it does behind the header of a proxy.
_PROTOCOLS = {
    "calcd": values.PROTOCOLS,
    "classic": ("classic",),
    "resp": ("resp",),
    "proxied": None,
    "metrics": None,
    "unknown": None,
}
# The names of those that have something in front of an address of Listen=.
_PREFIXES = {"proxied": PROXIED, "metrics": METRICS}


class OpenSockets(NamedTuple):
    """All listening sockets, as one supervisor hands them to the next."""

    passed: list[OpenListening]
    own: list[OpenListening]
    metrics: list[OpenListening]  # that are passed


class Sockets:
    """All listening sockets. An object never changes: a reload makes a new one."""

    def __init__(self, passed: Iterable[Listening] = (), own: dict[Address, Listening] | None = None) -> None:
        self._passed = tuple(passed)
        self._own = own or {}
        both = (*self._passed, *self._own.values())
        self.for_clients = tuple(each for each in both if each.prefix != METRICS)
        self.for_metrics = tuple(each for each in both if each.prefix == METRICS)
        # Those for clients, by systemd.
        self.are_passed = any(each.prefix != METRICS for each in self._passed)

    @classmethod
    def taken_over(cls, given: OpenSockets) -> Self:
        """Raises ValueError for an address that this calcd does not understand."""
        addresses = {parse_address(each.address): each for each in given.own}
        own = {address: Listening.taken_over(each, address.prefix) for address, each in addresses.items()}
        passed = [Listening.taken_over(each, PROXIED if each.is_proxied else "") for each in given.passed]
        metrics = [Listening.taken_over(each, METRICS) for each in given.metrics]
        return cls((*passed, *metrics), own)

    def handed_over(self) -> OpenSockets:
        return OpenSockets(
            [each.handed_over() for each in self._passed if each.prefix != METRICS],
            [each.handed_over(str(address)) for address, each in self._own.items()],
            [each.handed_over() for each in self._passed if each.prefix == METRICS],
        )

    def __iter__(self) -> Iterator[Listening]:
        yield from self.for_clients
        yield from self.for_metrics

    def __str__(self) -> str:
        return ", ".join(map(str, self))

    def for_settings(self, settings: Settings) -> "Sockets":
        """Returns the sockets that these settings ask for.

        Sockets that are open stay open, the others are opened. If systemd passed those for clients, the
        settings are ignored and self is returned.

        Raises Failure. No new socket is open then.
        """
        if self.are_passed:
            return self
        self._refuse_contradictions(settings.listen)
        own: dict[Address, Listening] = {}
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(lambda: Sockets(own=own).close_all_but(self))
            for address in settings.listen:
                if kept := self._own.get(address):
                    kept.socket.listen(settings.backlog)  # the second call changes only the backlog
                own[address] = kept or binding.open_socket(address, settings)
            result = Sockets(self._passed, own)
            result.admit(settings)  # last, when all sockets are open
            on_failure.pop_all()
        return result

    def _refuse_contradictions(self, addresses: Sequence[Address]) -> None:
        """Raises Failure."""
        if all(address.prefix == METRICS for address in addresses):
            others = f": {', '.join(map(str, addresses))} serves none" if addresses else ""
            raise Failure(
                ExitStatus.CONFIG,
                f"nowhere to listen for clients{others}; give an address with Listen= or --listen, such as "
                "127.0.0.1:7070",
            )
        for address in addresses:
            for other in address.under_other_prefixes():
                if other in addresses:
                    raise Failure(
                        ExitStatus.CONFIG,
                        f"cannot listen on {address}: Listen= or --listen has it as {other} as well; give "
                        "each an address or a port of its own",
                    )
                if other in self._own:
                    raise Failure(
                        ExitStatus.CONFIG,
                        f"cannot listen on {address}: it is open as {other}, and a reload cannot change who "
                        "connects there; restart calcd, or choose another address",
                    )

    def admit(self, settings: Settings) -> None:
        """Says who can connect to Unix sockets. Raises Failure."""
        for listening in self._own.values():
            binding.admit(listening, settings)

    def close_all_but(self, kept: Iterable[Listening]) -> None:
        for listening in set(self) - set(kept):
            listening.close()

    def close(self) -> None:
        self.close_all_but(())


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
        if name not in _PROTOCOLS:
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
        protocols, prefix = _PROTOCOLS[name], _PREFIXES.get(name, "")
        passed.append(Listening(listening, is_own=False, protocols=protocols, prefix=prefix))
    return Sockets(passed)


def _is_listening_stream(fd: int) -> bool:
    with socket.socket(fileno=os.dup(fd)) as copy:
        return (
            copy.family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
            and copy.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
            and copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        )
