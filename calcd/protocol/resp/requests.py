"""Bytes to commands: arrays of bulk strings, and lines ("inline commands").

1.  What has been taken apart is never looked at again: a command that comes byte by byte costs no more than
    its length.
2.  Every limit is known before the memory is needed.
3.  calcd looks at both bytes behind a bulk string and behind a header. Redis does not, and so takes a command
    with a wrong length for another one.
"""

from calcd.protocol.resp.errors import ProtocolError
from calcd.protocol.resp.words import words_of

MAX_LINE = 64 * 1024
MAX_BULK = 64 * 1024
MAX_ARGUMENTS = 1024
MAX_COMMAND = 1024 * 1024  # bytes of all arguments
SHOWN = 12  # bytes of a command that the log can show
_MAX_HEADER = 11  # a sign and ten digits
# Bytes that are looked at for several arrays at once, and the headers that these usually have. More of them
# would be memory that every fork pays for.
_TOGETHER = 1024
_COUNTS = {b"*%d" % count: count for count in range(1, 66)}
_LENGTHS = {length: b"$%d" % length for length in range(129)}
_ASTERISK, _DOLLAR, _LF, _ZERO = b"*$\n0"


class Requests:
    """The requests of one connection, as they come in."""

    __slots__ = (
        "_arguments",
        "_beginning",
        "_left",
        "_length",
        "_room",
        "_scanned",
        "at",
        "data",
        "is_fresh",
        "whole",
    )

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begins anew, for another connection."""
        # What has come in. From at on it belongs to no command yet.
        self.data: bytes | bytearray = b""
        self.at = 0
        self.is_fresh = False  # nothing was pending when the data came
        self._scanned = 0  # bytes from at on that have no line end
        self.whole: list[list[bytes]] = []  # the next commands, the last one first
        # Of an array that has begun.
        self._left = 0  # arguments that it still lacks; 0 also if none has begun
        self._arguments: list[bytes] = []
        self._length = -1  # of the bulk string whose header has been read; -1 for none
        self._room = 0  # bytes that its other arguments may have
        self._beginning = b""

    @property
    def pending(self) -> bytes:
        """The first bytes, at most SHOWN, of a command that has begun; b"" for none."""
        return self._beginning if self._left else bytes(self.data[self.at : self.at + SHOWN])

    @property
    def has_more(self) -> bool:
        """Whether more has come than what next() has returned, be it whole or not."""
        return bool(self.whole) or self.at < len(self.data)

    @property
    def is_between(self) -> bool:
        """Whether nothing has been looked at of what comes next."""
        return not (self._left or self._scanned or self.whole)

    def receive(self, data: bytes) -> None:
        if self._left and len(self._beginning) < SHOWN:
            self._beginning += data[: SHOWN - len(self._beginning)]
        rest = len(self.data) - self.at
        self.is_fresh = not (rest or self._left or self.whole)
        if not rest:
            self.data = data
        elif rest <= len(data):
            self.data = bytes(self.data[self.at :]) + data
        elif isinstance(self.data, bytearray):  # it grows without being copied
            del self.data[: self.at]
            self.data += data
        else:
            self.data = bytearray(self.data[self.at :])
            self.data += data
        self.at = 0

    def next(self) -> list[bytes] | None:
        """Returns the next whole command, its name and its arguments, or None if more is needed.

        Raises ProtocolError; then there are no more commands.
        """
        while True:
            if self.whole:
                return self.whole.pop()
            if self._left:
                return self._take_bulks()
            if self.at == len(self.data):
                return None
            if self.data[self.at] != _ASTERISK:
                words = self._take_line()
                if words != []:  # not an empty line, behind which an array may come
                    return words
            elif not self._take_whole() and not self._take_count():
                return None

    def _take_line(self) -> list[bytes] | None:
        at = self.at
        end = self.data.find(b"\n", at + self._scanned, at + MAX_LINE + 1)
        if end < 0:
            self._scanned = len(self.data) - at
            if self._scanned > MAX_LINE:
                raise ProtocolError("too big inline request")
            return None
        words = words_of(bytes(self.data[at:end]), MAX_ARGUMENTS)
        if len(words) > MAX_ARGUMENTS:
            raise ProtocolError("too big inline request")
        self.at = end + 1
        self._scanned = 0
        return words

    def _take_whole(self) -> bool:
        """Takes the next arrays that are whole, together, which is faster. Returns whether there are any.

        What is not as usual is left to the other methods: long arguments, those that have a line end, errors.
        """
        fields = bytes(self.data[self.at : self.at + _TOGETHER]).split(b"\r\n")
        del fields[-1]  # what is behind the last line end is no field yet
        at = 0
        while at < len(fields) and (count := _COUNTS.get(fields[at])):
            end = at + 1 + 2 * count
            words = fields[at + 2 : end : 2]
            if len(words) < count or fields[at + 1 : end : 2] != [_LENGTHS.get(len(word)) for word in words]:
                break
            self.whole.append(words)
            at = end
        self.at += sum(map(len, fields[:at])) + 2 * at
        self.whole.reverse()
        return at > 0

    def _take_count(self) -> bool:
        """Begins an array, and returns whether its count is there. An empty array is no command."""
        beginning = bytes(self.data[self.at : self.at + SHOWN])
        count = self._take_header("mbulk count", "multibulk")
        if count is None:
            return False
        if count > 0:
            self._left = count
            self._room = MAX_COMMAND
            self._arguments = []
            self._beginning = beginning
        return True

    def _take_bulks(self) -> list[bytes] | None:
        while self._left:
            if self._length < 0:
                if self.at == len(self.data):
                    return None
                if (byte := self.data[self.at]) != _DOLLAR:
                    raise ProtocolError(f"expected '$', got '{chr(byte)}'")
                length = self._take_header("bulk count", "bulk")
                if length is None:
                    return None
                self._room -= length
                self._length = length
            end = self.at + self._length
            if len(self.data) < end + 2:
                return None
            if self.data[end : end + 2] != b"\r\n":
                raise ProtocolError("expected CR LF behind a bulk string")
            self._arguments.append(bytes(self.data[self.at : end]))
            self.at = end + 2
            self._length = -1
            self._left -= 1
        return self._arguments

    def _take_header(self, name: str, kind: str) -> int | None:
        """The number behind * or $, or None if it is not whole."""
        data = self.data
        begin = self.at + 1
        end = data.find(b"\r", begin, begin + _MAX_HEADER + 1)
        if end < 0:
            if len(data) > begin + _MAX_HEADER:
                raise ProtocolError(f"too big {name} string")
            return None
        if len(data) < end + 2:
            return None
        digits = data[begin:end]
        is_negative = kind == "multibulk" and digits.startswith(b"-")
        if is_negative:
            digits = digits[1:]
        # A leading zero is none of a number's in Redis; 0 itself is, and -0 is not.
        is_number = digits.isdigit() and (digits[0] != _ZERO or (len(digits) == 1 and not is_negative))
        if not is_number or data[end + 1] != _LF:
            raise ProtocolError(f"invalid {kind} length")
        number = -int(digits) if is_negative else int(digits)
        if number > (MAX_ARGUMENTS if kind == "multibulk" else min(MAX_BULK, self._room)):
            raise ProtocolError(f"invalid {kind} length")
        self.at = end + 2
        return number
