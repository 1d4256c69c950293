"""Changes to a stream of RESP that know what a command is. libFuzzer's own, which know bytes, do the rest."""

import random

_NUMBERS = (
    *(b"0", b"-0", b"1", b"-1", b"2", b"007", b"-7", b"000000000702", b"123456", b"-987654"),
    *(b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"18446744073709551616"),
    *(b"9" * 1024, b"-" + b"9" * 1024, b"1" + b"0" * 1023, b"0" * 1025, b"9" * 1025),
    *(b"", b"-", b"--1", b"+1", b" 1", b"1_0", b"1.0", b"x", b"\xb2", b"1\r", b"1\r\n2"),
)
_NAMES = (
    *(
        b"ADD",
        b"SUB",
        b"MUL",
        b"DIV",
        b"add",
        b"Div",
        b"PING",
        b"ECHO",
        b"HELLO",
        b"AUTH",
        b"SELECT",
        b"RESET",
    ),
    *(
        b"CLIENT",
        b"CONFIG",
        b"COMMAND",
        b"INFO",
        b"HELP",
        b"MULTI",
        b"EXEC",
        b"DISCARD",
        b"WATCH",
        b"UNWATCH",
    ),
    *(b"FOO", b"", b"POST", b"Host:", b"QUIT"),
)
_WORDS = (
    *(
        b"2",
        b"3",
        b"4",
        b"AUTH",
        b"default",
        b"x",
        b"SETNAME",
        b"name",
        b"a b",
        b"ID",
        b"GETNAME",
        b"SETINFO",
    ),
    *(b"lib-name", b"LIB-VER", b"info", b"HELP", b"GET", b"save", b"databases", b"COUNT", b"DOCS", b"LIST"),
    *(b"add", b"client|id", b"server", b"stats", b"all", b"it's", b'say "x"', b"\xff\0\r\n", b"w" * 130),
)
_ODD = (
    *(
        b"\r\n",
        b"\n",
        b"  \r\n",
        b"*0\r\n",
        b"*-1\r\n",
        b"*1\r\n",
        b"$-1\r\n",
        b"$04\r\n",
        b"*2147483648\r\n",
    ),
    *(b"*1025\r\n", b"$65537\r\n", b"$65536\r\n", b"*12345678901", b"*1\r\n$3\r\nADDxx", b"*1\n$4\nPING\n"),
    *(b'PING "a\\x41\\n\\"" \n', b"PING 'it\\'s'\n", b'PING "a"b\n', b'ADD "2" 3\n', b"ADD  2\t3 \r\n"),
    *(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", b"\x16\x03\x01\n"),
)


def array(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def line(*words: bytes) -> bytes:
    return b" ".join(words) + b"\n"


def _number(dice: random.Random) -> bytes:
    return b"%d" % dice.randrange(-999, 1000) if dice.random() < 0.8 else dice.choice(_NUMBERS)


def _command(dice: random.Random) -> bytes:
    write = line if dice.random() < 0.4 else array
    kind = dice.random()
    if kind < 0.6:
        count = 2 if dice.random() < 0.8 else dice.randrange(70)
        return write(dice.choice(_NAMES[:6]), *(_number(dice) for _ in range(count)))
    if kind < 0.9:
        words = [dice.choice(_WORDS) for _ in range(dice.choice((0, 0, 1, 1, 2, 3, 5)))]
        return write(dice.choice(_NAMES), *words)
    return dice.choice(_ODD)


def _usual(dice: random.Random) -> bytes:
    """A batch for the fast way."""
    write = line if dice.random() < 0.5 else array
    names = _NAMES[: dice.choice((1, 4))]
    return b"".join(
        write(dice.choice(names), b"%d" % dice.randrange(-99, 100), b"%d" % dice.randrange(1, 1_000_000))
        for _ in range(dice.randrange(1, 30))
    )


def change_stream(stream: bytes, dice: random.Random) -> bytes:  # noqa: PLR0911 - one for each kind
    """The stream with some commands more, fewer, or other ones."""
    begins = [0, *(at + 1 for at, byte in enumerate(stream) if byte == 10)]
    at, behind = sorted((dice.choice(begins), dice.choice(begins)))
    match dice.randrange(7):
        case 0:
            return stream[:at] + _command(dice) + stream[at:]
        case 1:
            return stream[:at] + _command(dice) + stream[behind:]
        case 2:
            return stream[:at] + stream[behind:]
        case 3:
            return stream[:behind] + stream[at:]
        case 4:
            return stream[:at] + _usual(dice) + stream[at:]
        case 5:
            return stream[: dice.randrange(len(stream) + 1)]
        case _:
            at = dice.randrange(len(stream) + 1)
            return (
                stream[:at]
                + bytes([dice.choice(b"0 -+*$\r\n\"'\\Aa1_\t")])
                + stream[at + dice.randrange(2) :]
            )
