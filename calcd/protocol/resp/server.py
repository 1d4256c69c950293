"""What clients ask of the server: INFO and CONFIG GET."""

from __future__ import annotations

from calcd.protocol.resp.errors import CommandError
from calcd.protocol.resp.replies import bulk, mapping, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calcd.protocol.resp.client import Client

_WHOLE = {b"default", b"all", b"everything"}
# redis-benchmark asks for the first two, redis-cli --stat for the last one.
_PARAMETERS = {b"save": b"", b"appendonly": b"no", b"databases": b"1"}


def info(client: Client, words: list[bytes]) -> bytes:
    """The whole text, or the sections that are named."""
    lines = client.info()
    wanted = {word.lower() for word in words[1:]}
    if wanted and not wanted & _WHOLE:
        sections = lines.strip().split(b"\r\n\r\n")
        chosen = [section for section in sections if _name_of(section) in wanted]
        lines = b"\r\n\r\n".join(chosen) + b"\r\n" if chosen else b""
    return text(client.version, lines)


def _name_of(section: bytes) -> bytes:
    """server, of a section that begins with "# Server"."""
    return section.partition(b"\r\n")[0].removeprefix(b"# ").lower()


def config_get(client: Client, words: list[bytes]) -> bytes:
    pairs = []
    for name in map(bytes.lower, words[2:]):
        if name not in _PARAMETERS:
            raise CommandError("ERR CONFIG GET knows save, appendonly and databases alone")
        pairs += [bulk(name), bulk(_PARAMETERS[name])]
    return mapping(client.version, pairs)
