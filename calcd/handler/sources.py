"""Which source a connection counts for: the unit of the limits that are not for all clients together.

One IPv4 address is a source. Of IPv6, an ordinary client has 2**64 addresses to choose from, so the network
of its first 64 bits is one (RFC 4291, 2.5.1).
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LENGTHS = {AF_INET: 32, AF_INET6: 128}  # bits
_REST_OF_64 = bytes(8)


def _family(host: str) -> int:
    return AF_INET6 if ":" in host else AF_INET


# Hosts whose source is remembered: working it out touches memory, which every fork pays for.
_MOST_KNOWN = 1000


class Sources:
    def __init__(self, exempt: Iterable[str]) -> None:
        """exempt are networks as 192.0.2.0/24 and 2001:db8::/32."""
        self._exempt: dict[int, list[tuple[int, int]]] = {AF_INET: [], AF_INET6: []}  # mask and network
        for text in exempt:
            host, _, length = text.partition("/")
            family = _family(host)
            bits = _LENGTHS[family]
            mask = ((1 << int(length)) - 1) << (bits - int(length))
            self._exempt[family].append((mask, int.from_bytes(inet_pton(family, host), "big")))
        self._known = {"": ""}

    def of(self, host: str) -> str:
        """192.0.2.1, or 2001:db8::/64; empty for a host that is exempt, and for none (a Unix socket's)."""
        source = self._known.get(host)
        if source is None:
            if len(self._known) > _MOST_KNOWN:
                self._known = {"": ""}
            source = self._known[host] = self._work_out(host)
        return source

    def _work_out(self, host: str) -> str:
        family = _family(host)
        try:
            packed = inet_pton(family, host.partition("%")[0])  # without the zone of a link-local address
        except OSError:  # what a handler has made up that was taken over
            return host
        address = int.from_bytes(packed, "big")
        for mask, network in self._exempt[family]:
            if address & mask == network:
                return ""
        if family == AF_INET6:
            return inet_ntop(AF_INET6, packed[:8] + _REST_OF_64) + "/64"
        return host
