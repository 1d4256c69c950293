"""sums.py HOST PORT: asks for three results at once, and prints them."""

import socket
import sys
from typing import BinaryIO


def command(*words: object) -> bytes:
    """A command as RESP has it: an array of bulk strings."""
    parts = [str(word).encode() for word in words]
    bulks = [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
    return b"*%d\r\n" % len(parts) + b"".join(bulks)


def result(replies: BinaryIO) -> int:
    """The next reply. Raises ArithmeticError for an error."""
    line = whole(replies.readline())
    if line.startswith(b"-"):
        raise ArithmeticError(line[1:].decode())
    if line.startswith(b"$"):  # beyond 64 bits
        return int(whole(replies.read(int(line[1:]) + 2)))
    return int(line[1:])


def whole(data: bytes) -> bytes:
    if not data.endswith(b"\r\n"):
        raise EOFError("closed without an answer")
    return data[:-2]


address = sys.argv[1], int(sys.argv[2])
with socket.create_connection(address, timeout=10) as calcd:
    calcd.sendall(command("ADD", 2, 3))
    calcd.sendall(command("MUL", 2**40, 2**40))
    calcd.sendall(command("DIV", 1, 0))
    with calcd.makefile("rb") as replies:
        for _ in range(3):
            try:
                print(result(replies))
            except ArithmeticError as error:
                print(error)
