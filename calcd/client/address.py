"""Parses a server's address: HOST:PORT, [IPV6]:PORT or unix:/path."""

from calcd.client.errors import AddressError


def parse(text: str) -> tuple[str, int] | str:
    """Returns the host, without brackets, and the port, or the path of a Unix socket. Raises AddressError."""
    if text.startswith("unix:/"):
        return text.removeprefix("unix:")
    # Without re, which takes longer to compile a pattern than all of this.
    host, _, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if is_bracketed:
        host = host[1:-1]
    is_host = host and not set(host) & set("[]\0" if is_bracketed else "[]:\0")
    if not is_host or not (port.isascii() and port.isdigit() and len(port) <= 5):
        raise AddressError(f"server {text!r}: write HOST:PORT, [IPV6]:PORT or unix:/path")
    if not 1 <= int(port) <= 65535:
        raise AddressError(f"server {text!r}: a port is a number from 1 to 65535")
    return host, int(port)
