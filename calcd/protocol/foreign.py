"""Recognizes foreign protocols by the first 12 bytes that a stranger has sent."""

import struct

# The first bytes of protocols that clients speak to wrong ports, by mistake or to scan for services.
_BEGINNINGS = (
    ((b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE "), "HTTP"),
    ((b"CONNECT ",), "HTTP, to a proxy"),
    ((b"PRI * HTTP/2",), "HTTP/2"),
    ((b"\x16\x03",), "TLS"),
    ((b"SSH-",), "SSH"),
    ((b"\x03\x00",), "RDP"),  # TPKT, RFC 1006
    ((b"EHLO", b"HELO", b"ehlo", b"helo"), "SMTP"),
    ((b"PROXY ", b"\r\n\r\n\x00\r\nQUIT\n"), "a proxy's PROXY header"),
    ((b"*", b"PING\r\n"), "Redis"),
    ((b"\x05\x01\x00", b"\x05\x02\x00"), "SOCKS"),
    ((b"{", b"["), "JSON"),
)
_OPERATIONS = 5


def looks_like(frame: bytes) -> str:
    """Returns what a first frame that is no request looks like, for example "HTTP"."""
    for beginnings, name in _BEGINNINGS:
        if frame.startswith(beginnings):
            return name
    if frame[:1] < bytes([_OPERATIONS]) and frame[1:4] == bytes(3):
        return "a classic request, which is not spoken here: see Protocols="
    if frame[:3] == bytes(3) and frame[3:4] < bytes([_OPERATIONS]):
        return "this protocol with its integers in big-endian order: they go in little-endian"
    if all(0x20 <= byte < 0x7F or byte in b"\t\r\n" for byte in frame):
        return "text"
    return "nothing that calcd knows"


def shown(frame: bytes) -> str:
    """Returns the bytes in readable form: as text if they are text, else in hex, with the integers of a whole
    frame."""
    if all(0x20 <= byte < 0x7F or byte in b"\t\r\n" for byte in frame):
        return repr(frame.decode())
    if len(frame) == struct.calcsize("<iii"):
        return f"{frame.hex(' ', 4)} ({', '.join(map(str, struct.unpack('<iii', frame)))})"
    return frame.hex(" ")
