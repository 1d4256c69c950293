"""What clients say at the beginning of a connection, with the bytes that were seen on the wire. Each command
has one reply, and what the client wants to know is answered behind them."""

from collections.abc import Iterator

import pytest
from support.daemon import Calcd
from support.resp import CONNECTIONS, Error, Verbatim, array, ask, decode

OK = b"OK"
HELLO = "a description of the server"
INFO = "the text of INFO"
COMMANDS = "what COMMAND says"
ERROR = "an error that the client tolerates"


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calcd]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as calcd:
        calcd.expected.append(CONNECTIONS)
        yield calcd


def setinfo(library: str, version: str, client: str = "CLIENT", subcommand: str = "SETINFO") -> list[bytes]:
    return [
        array(client, subcommand, "LIB-NAME", library),
        array(client, subcommand, "LIB-VER", version),
    ]


def maintenance(kind: str) -> bytes:
    return array("CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", kind)


HELLO_3 = array("HELLO", 3)
# Who it is: what it sends, one write each, and what kind of reply each command has.
CLIENTS: dict[str, tuple[list[bytes], list[object]]] = {
    "redis-cli, one command": ([b"*3\r\n$3\r\nADD\r\n$1\r\n2\r\n$1\r\n3\r\n"], [5]),
    "redis-cli -3": ([b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"], [HELLO]),
    "redis-cli -a": ([array("AUTH", "secret")], [ERROR]),
    "redis-cli -n 3": ([array("SELECT", 3)], [ERROR]),
    "redis-cli, prompt": ([b"*2\r\n$7\r\nCOMMAND\r\n$4\r\nDOCS\r\n"], [COMMANDS]),
    "redis-cli 8 without DOCS": ([array("INFO", "SERVER"), array("COMMAND")], [INFO, COMMANDS]),
    "redis-cli 8 --stat": (
        [array("CONFIG", "GET", "databases"), array("INFO")],
        [[b"databases", b"1"], INFO],
    ),
    "redis-cli --pipe": (
        [b"ADD 2 3\r\n", b"\r\n*2\r\n$4\r\nECHO\r\n$20\r\n" + bytes(range(20)) + b"\r\n"],
        [5, bytes(range(20))],
    ),
    "redis-cli --pipe of nothing": (
        [b"\r\n*2\r\n$4\r\nECHO\r\n$20\r\n\r\n\0" + b"x" * 17 + b"\r\n"],
        [b"\r\n\0" + b"x" * 17],
    ),
    "redis-cli --rdb": ([b"SYNC\r\n"], [ERROR]),
    "redis-benchmark, at first": (
        [
            b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$4\r\nsave\r\n"
            b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$10\r\nappendonly\r\n"
        ],
        [[b"save", b""], [b"appendonly", b"no"]],
    ),
    "redis-benchmark -t ping_inline -P 3": ([b"PING\r\n" * 3], [b"PONG"] * 3),
    "redis-benchmark -3": ([HELLO_3 + array("ADD", "000000000702", 3)], [HELLO, 705]),
    "redis-benchmark --dbnum 0": ([array("SELECT", 0) + b"*1\r\n$4\r\nPING\r\n"], [OK, b"PONG"]),
    "redis-py 5 and 6": (setinfo("redis-py", "6.1.0"), [OK, OK]),
    "redis-py 8": (
        [HELLO_3, maintenance("internal-fqdn"), *setinfo("redis-py", "8.1.0")],
        [HELLO, ERROR, OK, OK],
    ),
    "redis-py, health check and password": (
        [array("PING"), array("HELLO", 3, "AUTH", "default", "secret"), array("CLIENT", "SETNAME", "me")],
        [b"PONG", HELLO, OK],
    ),
    "ioredis 5": ([*setinfo("ioredis", "5.11", "client"), array("info")], [OK, OK, INFO]),
    "ioredis 6": (
        [array("hello", 3) + b"".join(setinfo("ioredis", "6.0", "client")), array("info")],
        [HELLO, OK, OK, INFO],
    ),
    "node-redis 4": ([b"".join(setinfo("node-redis", "4.7"))], [OK, OK]),
    "node-redis 6": (
        [HELLO_3 + b"".join(setinfo("node-redis", "6.3")) + maintenance("external-ip")],
        [HELLO, OK, OK, ERROR],
    ),
    "valkey-glide": (
        [HELLO_3, *setinfo("GlidePy", "2.6"), array("INFO", "REPLICATION")],
        [HELLO, OK, OK, INFO],
    ),
    "coredis, redis-client of Ruby": ([HELLO_3], [HELLO]),
    "Perl's Redis": ([array("CLIENT", "SETNAME", "me")], [OK]),
    "go-redis 9": (
        [array("hello", 3), b"".join(setinfo("go-redis", "9.7", "client", "setinfo"))],
        [HELLO, OK, OK],
    ),
    "Lettuce": ([HELLO_3, array("CLIENT", "SETNAME", "me"), *setinfo("Lettuce", "6.5")], [HELLO, OK, OK, OK]),
    "StackExchange.Redis": (
        [
            array("CLIENT", "SETNAME", "me"),
            array("CONFIG", "GET", "timeout"),
            array("INFO", "replication"),
            array("GET", "__Booksleeve_TieBreak"),
            array("ECHO", b"\x00\xff tracer"),
        ],
        [OK, ERROR, INFO, ERROR, b"\x00\xff tracer"],
    ),
    "HAProxy, option redis-check": ([b"*1\r\n$4\r\nPING\r\n"], [b"PONG"]),
    "HAProxy, tcp-check": ([b"PING\r\n", b"ADD 2 3\r\n"], [b"PONG", 5]),
    "nc, telnet": ([b"ADD 2 3\n", b"ADD 2 3\r\n"], [5, 5]),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_each_command_of_a_client_has_one_reply(calcd: Calcd, name: str) -> None:
    writes, expected = CLIENTS[name]
    with calcd.connect() as connection:
        replies = []
        for write in writes:
            replies += decode(ask(connection, write))
        assert decode(ask(connection, array("MUL", 6, 7))) == [42]
    with calcd.connect() as connection:  # all at once
        assert len(decode(ask(connection, b"".join(writes)))) == len(expected)
    assert [_kind(reply) for reply in replies] == expected


def _kind(reply: object) -> object:
    """What stands for it in CLIENTS."""
    match reply:
        case Error(text):
            assert text.startswith("ERR ")
            return ERROR
        case {b"server": b"calcd"}:
            return HELLO
        case Verbatim() | bytes() if b"# " in (reply.text if isinstance(reply, Verbatim) else reply)[:2]:
            return INFO
        case [b"add", *_] | [[b"add", *_], *_]:
            return COMMANDS
        case _:
            return reply
