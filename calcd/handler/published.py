"""What calcd tells of itself to a client: the text of INFO, and that of the metrics.

The supervisor writes both into memory that listener and handlers have mapped (calcd.linux.shared_page).
"""

from __future__ import annotations

import calcd
from calcd.linux.shared_page import Reader

# INFO where nothing is published, because the supervisor is from before an upgrade: what clients insist on.
MINIMUM = (
    f"# Server\r\nredis_version:7.0.0\r\ncalcd_version:{calcd.__version__}\r\nredis_mode:standalone\r\n\r\n"
    "# Persistence\r\nloading:0\r\n\r\n"
    "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
).encode()


class Published:
    __slots__ = ("_reader",)

    def __init__(self, page: int | None) -> None:
        """page is the file descriptor of the memory, which is closed, or None. Raises OSError."""
        self._reader = None if page is None else Reader(page)

    def info(self) -> bytes:
        """Returns the text of INFO: sections, with an empty line between two, of lines that end in CR LF."""
        texts = self._reader.read() if self._reader else None
        return texts[0] if texts else MINIMUM

    def metrics(self) -> bytes:
        """Returns the metrics in Prometheus' text format, or nothing if none are published."""
        texts = self._reader.read() if self._reader else None
        return texts[1] if texts else b""
