"""How calcd reads RESP: what it takes for a command, what for a mistake, and when it closes. Each input is
sent whole, cut at every byte, and byte by byte."""

import socket
from collections.abc import Iterator

import pytest
from support.daemon import Calcd
from support.resp import (
    CONNECTIONS,
    MARK,
    MARKED,
    array,
    ask,
    assert_closes,
    assert_closes_at_once,
    assert_goes_on,
    bulk,
    until_end,
)

PONG = b"+PONG\r\n"
UNBALANCED = b"-ERR Protocol error: unbalanced quotes in request\r\n"
MULTIBULK = b"-ERR Protocol error: invalid multibulk length\r\n"
BULK = b"-ERR Protocol error: invalid bulk length\r\n"
TOO_BIG_INLINE = b"-ERR Protocol error: too big inline request\r\n"


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calcd]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as calcd:
        calcd.expected.append(CONNECTIONS)
        yield calcd


NOTHING = (b"\r\n", b"\n", b"  \r\n", b" \t \n", b"*0\r\n", b"*-1\r\n", b"*-5\r\n")


@pytest.mark.parametrize("stream", NOTHING)
def test_a_request_of_nothing_has_no_reply(calcd: Calcd, stream: bytes) -> None:
    assert_goes_on(calcd, stream, b"")


@pytest.mark.parametrize("nothing", NOTHING)
def test_the_kind_of_a_request_is_decided_anew_behind_one_of_nothing(calcd: Calcd, nothing: bytes) -> None:
    assert_goes_on(calcd, nothing + array("PING") + nothing + b"PING\r\n", PONG + PONG)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"PING\n", PONG),
        (b"PING\r\n", PONG),
        (b"  PING \r\n", PONG),
        (b"ping\r\n", PONG),
        (b'PING "a b"\r\n', bulk(b"a b")),
        (b"PING 'a b'\r\n", bulk(b"a b")),
        (b'PING "\\x41\\n"\r\n', bulk(b"A\n")),
        (b'PING "\\r\\t\\b\\a\\"\\\\\\q\\x4"\r\n', bulk(b'\r\t\b\a"\\qx4')),
        (b"PING 'a\\'b'\r\n", bulk(b"a'b")),
        (b"PING 'a\\nb'\r\n", bulk(b"a\\nb")),
        (b'PING a"b"\r\n', bulk(b"ab")),
        (b'PING ""\r\n', bulk(b"")),
        (b"PING \xff\x01\r\n", bulk(b"\xff\x01")),
        (b"ADD 2 3\n", b":5\r\n"),
        (b'"ADD" "2" \'3\'\r\n', b":5\r\n"),
    ],
)
def test_a_line_is_split_into_words_as_redis_does(calcd: Calcd, line: bytes, reply: bytes) -> None:
    assert_goes_on(calcd, line, reply)


@pytest.mark.parametrize("line", [b'PING "a\r\n', b'PING "a"b\r\n', b"PING 'a\r\n", b"PING 'a'b\r\n", b'"\n'])
def test_unbalanced_quotes_end_the_connection(calcd: Calcd, line: bytes) -> None:
    assert_closes(calcd, line, UNBALANCED)


@pytest.mark.parametrize("empty", [b"", b"\r\n"])
def test_a_line_of_64_kib_is_waited_for_and_a_longer_one_is_refused(calcd: Calcd, empty: bytes) -> None:
    with calcd.connect() as connection:
        connection.sendall(empty + b"PING " + b"x" * (65_536 - 6) + b"\r")
        assert ask(connection, b"\n") == bulk(b"x" * (65_536 - 6))
        connection.sendall(b"PING " + b"x" * (65_537 - 5))
        assert until_end(connection) == TOO_BIG_INLINE


def test_a_line_above_64_kib_is_refused_also_when_its_end_comes_with_it(calcd: Calcd) -> None:
    with calcd.connect() as connection:
        connection.sendall(b"PING " + b"x" * 70_000 + b"\r\n")
        assert until_end(connection) == TOO_BIG_INLINE


def test_a_last_line_without_its_end_is_no_command(calcd: Calcd) -> None:
    with calcd.connect() as connection:
        connection.sendall(b"PING\r\nADD 2 3")
        connection.shutdown(socket.SHUT_WR)
        assert until_end(connection) == PONG


@pytest.mark.parametrize(
    ("stream", "reply"),
    [
        (b"*1\r\n$4\r\nPING\r\n", PONG),
        (b"*1\r\n$4\r\nPiNg\r\n", PONG),
        (b"*2\r\n$4\r\nPING\r\n$3\r\na\r\n\r\n", bulk(b"a\r\n")),
        (b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", bulk(b"")),
        (array("ECHO", bytes(range(256))), bulk(bytes(range(256)))),
        (b"*3\r\n$3\r\nADD\r\n$1\r\n2\r\n$1\r\n3\r\n", b":5\r\n"),
        (b"*1\r\n$0\r\n\r\n", b"-ERR unknown command '', with args beginning with: \r\n"),
    ],
)
def test_an_array_of_bulk_strings_is_a_command(calcd: Calcd, stream: bytes, reply: bytes) -> None:
    assert_goes_on(calcd, stream, reply)


@pytest.mark.parametrize(
    "count",
    [b"", b"a", b"01", b"+1", b" 1", b"1 ", b"1x", b"-", b"--1", b"1025", b"2147483647", b"2147483648"],
)
def test_a_count_that_is_no_number_or_too_great_ends_the_connection(calcd: Calcd, count: bytes) -> None:
    assert_closes(calcd, b"*" + count + b"\r\n", MULTIBULK)


@pytest.mark.parametrize("length", [b"", b"-1", b"04", b"a", b"+4", b" 4", b"-0", b"65537", b"536870913"])
def test_a_length_that_is_no_number_or_too_great_ends_the_connection(calcd: Calcd, length: bytes) -> None:
    assert_closes(calcd, b"*1\r\n$" + length + b"\r\n", BULK)
    # Also behind words that are whole, and behind a command that is served.
    assert_closes(calcd, b"PING\r\n*2\r\n$4\r\nECHO\r\n$" + length + b"\r\n", PONG + BULK)


@pytest.mark.parametrize("header", [b"*", b"*1\r\n$"])
def test_a_count_or_length_without_an_end_is_refused(calcd: Calcd, header: bytes) -> None:
    with calcd.connect() as connection:
        connection.sendall(header + b"1" * 70_000)
        assert until_end(connection).startswith(b"-ERR Protocol error: ")


@pytest.mark.parametrize(
    ("stream", "byte"), [(b"*1\r\nPING\r\n", "P"), (b"*1\r\n:4\r\n", ":"), (b"*1\r\n*1\r\n", "*")]
)
def test_an_element_that_is_no_bulk_string_ends_the_connection(
    calcd: Calcd, stream: bytes, byte: str
) -> None:
    assert_closes(calcd, stream, f"-ERR Protocol error: expected '$', got '{byte}'\r\n".encode())


def test_a_bulk_string_that_does_not_end_where_its_length_says_ends_the_connection(calcd: Calcd) -> None:
    for stream in (b"*1\r\n$4\r\nPINGxx", b"*1\r\n$4\r\nPING\rx"):
        with calcd.connect() as connection:
            connection.sendall(stream)
            assert until_end(connection).startswith(b"-ERR Protocol error: ")


def test_replies_before_a_protocol_error_stay(calcd: Calcd) -> None:
    assert_closes(calcd, b"ADD 2 3\r\n" + array("PING") + b"*x\r\n", b":5\r\n" + PONG + MULTIBULK)


def test_a_protocol_error_is_told_also_to_who_has_sent_nothing_but_unknown_commands(calcd: Calcd) -> None:
    with calcd.connect() as connection:
        connection.sendall(b"NOSUCH\r\n" * 5 + b"*x\r\n" + b"NOSUCH\r\n" * 1000)
        assert until_end(connection).endswith(MULTIBULK)


def test_an_array_needs_lines_that_end_in_cr_lf(calcd: Calcd) -> None:
    """Redis waits for the CR; a server that looks at the LF may refuse as well."""
    with calcd.connect() as connection:
        connection.sendall(b"*1\n$4\nPING\n")
        connection.shutdown(socket.SHUT_WR)
        assert PONG not in until_end(connection)


@pytest.mark.parametrize(
    "stream",
    [
        *(b"POST / HTTP/1.1\r\n", b"post x\r\n", b"POST\n", array("POST", "/"), array("post")),
        *(b"Host: localhost\r\n", b"HOST: x\r\n", array("Host:"), array("hOSt:", "x")),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n",
    ],
)
def test_what_browsers_and_proxies_say_closes_at_once(calcd: Calcd, stream: bytes) -> None:
    assert_closes_at_once(calcd, stream)


def test_a_get_of_http_closes_where_its_host_line_comes(calcd: Calcd) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    told = b"-ERR unknown command 'GET', with args beginning with: '/' 'HTTP/1.1' \r\n"
    assert_closes_at_once(calcd, request, told)
    with calcd.connect() as connection:
        connection.sendall(request)
        assert until_end(connection) == b""


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PRI"])
def test_other_words_of_http_are_unknown_commands(calcd: Calcd, method: str) -> None:
    reply = f"-ERR unknown command '{method}', with args beginning with: '*' 'HTTP/2.0' \r\n"
    assert_goes_on(calcd, f"{method} * HTTP/2.0\r\n".encode(), reply.encode())


def test_a_mebibyte_of_commands_has_a_reply_for_each(calcd: Calcd) -> None:
    one = b"ADD 2 3\r\n" + array("MUL", 6, 7) + b"NOSUCH\r\n" + array("DIV", 1, 0)
    reply = b":5\r\n:42\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n-DIVBYZERO "
    with calcd.connect() as connection:
        first = ask(connection, one)
        assert first.startswith(reply)
    times = (1 << 20) // len(one)
    with calcd.connect() as connection, connection.makefile("rb") as received:
        for part in range(16):
            count = times // 16
            connection.sendall(one * count + MARK)
            assert received.read(len(first) * count + len(MARKED)) == first * count + MARKED, part
