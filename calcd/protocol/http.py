"""HTTP/1.x for one request, without I/O: what a server of a single document answers (RFC 9112)."""

# Bytes. The head of a request that is longer is refused.
HEAD_SIZE = 4096

OK, BAD_REQUEST, NOT_FOUND, METHOD_NOT_ALLOWED, TOO_LARGE, UNAVAILABLE = 200, 400, 404, 405, 431, 503
_REASONS = {
    OK: b"OK",
    BAD_REQUEST: b"Bad Request",
    NOT_FOUND: b"Not Found",
    METHOD_NOT_ALLOWED: b"Method Not Allowed",
    TOO_LARGE: b"Request Header Fields Too Large",
    UNAVAILABLE: b"Service Unavailable",
}
_METHODS = (b"GET", b"HEAD")
_TEXT = b"text/plain; charset=utf-8"


def has_head(data: bytes) -> bool:
    """Returns whether the head of a request is complete. Lines may end in LF alone (RFC 9112, 2.2)."""
    return b"\r\n\r\n" in data or b"\n\n" in data or b"\n\r\n" in data


def status_of(data: bytes, path: bytes) -> int:
    """Returns the status for a request, where there is a document at this path and no other.

    data is what has come: at most HEAD_SIZE bytes if they hold no complete head.
    """
    if not has_head(data):
        return BAD_REQUEST if len(data) < HEAD_SIZE else TOO_LARGE
    first, *fields = data.replace(b"\r\n", b"\n").partition(b"\n\n")[0].split(b"\n")
    method, target, version = words if len(words := first.split(b" ")) == 3 else (b"", b"", b"")
    if not (method.isalpha() and version in (b"HTTP/1.0", b"HTTP/1.1") and _are_sound(fields, version)):
        return BAD_REQUEST
    if _path_of(target) != path:
        return NOT_FOUND
    return OK if method in _METHODS else METHOD_NOT_ALLOWED


def _are_sound(fields: list[bytes], version: bytes) -> bool:
    """Returns whether header fields have names, and the host is named (RFC 9112, 3.2)."""
    names = [field.partition(b":")[0].lower() for field in fields if b":" in field]
    if len(names) < len(fields) or not all(map(_is_name, names)):
        return False
    return version == b"HTTP/1.0" or names.count(b"host") == 1


def _is_name(name: bytes) -> bool:
    return name.replace(b"-", b"").replace(b"_", b"").isalnum()


def _path_of(target: bytes) -> bytes:
    """The target of a request may be a whole URL, and have a query."""
    if target[:7].lower() == b"http://":
        target = b"/" + target[7:].partition(b"/")[2]
    return target.partition(b"?")[0]


def response(status: int, data: bytes, text: bytes, content_type: bytes = _TEXT) -> bytes:
    """Returns the response with this status and text to a request, for a connection that is then closed."""
    lines = [
        b"HTTP/1.1 %d %s" % (status, _REASONS[status]),
        b"Content-Type: " + content_type,
        b"Content-Length: %d" % len(text),
        b"Connection: close",
    ]
    if status == METHOD_NOT_ALLOWED:
        lines.append(b"Allow: " + b", ".join(_METHODS))
    body = b"" if data.startswith(b"HEAD ") else text
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
