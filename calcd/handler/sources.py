"""Finds the source of a connection: the unit that MaxConnectionsPerSource= and MaxRatePerSource= count.

An IPv4 address is a source. An ordinary IPv6 client can choose from 2**64 addresses, so for IPv6 the source
is the network of the first 64 bits (RFC 4291, 2.5.1).
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


# The number of hosts whose source is remembered. To find the source touches memory, and every fork pays for
# that.
_MAX_KNOWN = 1000


class Sources:
    def __init__(self, exempt: Iterable[str]) -> None:
        """exempt are networks, such as 192.0.2.0/24 and 2001:db8::/32."""
        self._exempt: dict[int, list[tuple[int, int]]] = {AF_INET: [], AF_INET6: []}  # masks and networks
        for text in exempt:
            host, _, length = text.partition("/")
            family = _family(host)
            bits = _LENGTHS[family]
            mask = ((1 << int(length)) - 1) << (bits - int(length))
            self._exempt[family].append((mask, int.from_bytes(inet_pton(family, host), "big")))
        self._known = {"": ""}

    def of(self, host: str) -> str:
        """Returns the source of a host, such as 192.0.2.1 or 2001:db8::/64. The source is empty for an exempt
        host, and for the empty host of a Unix socket."""
        source = self._known.get(host)
        if source is None:
            if len(self._known) > _MAX_KNOWN:
                self._known = {"": ""}
            source = self._known[host] = self._find(host)
        return source

    def _find(self, host: str) -> str:
        family = _family(host)
        try:
            packed = inet_pton(family, host.partition("%")[0])  # without the zone of a link-local address
        except OSError:  # not an address: a hijacked handler has made it up
            return host
        address = int.from_bytes(packed, "big")
        for mask, network in self._exempt[family]:
            if address & mask == network:
                return ""
        if family == AF_INET6:
            return inet_ntop(AF_INET6, packed[:8] + _REST_OF_64) + "/64"
        return host
