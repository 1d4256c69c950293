"""RESP, from bytes to commands: what Redis 7.0 and 8.0 answer to the same bytes, and calcd's limits."""

import pytest
from support.dialogue import new_dialogue, say
from support.resp import array

from calcd.protocol.resp.dialogue import ENDED_PROTOCOL_ERROR

PONG = b"+PONG\r\n"

GOES_ON = {
    # Nothing to answer.
    b"\r\n": b"",
    b"\n": b"",
    b" \t \r\n": b"",
    b"*0\r\n": b"",
    b"*-1\r\n": b"",
    b"*-5\r\n": b"",
    # Lines.
    b"PING\n": PONG,
    b"  PING \r\n": PONG,
    b"ping\r\n": PONG,
    b"\r\n*1\r\n$4\r\nPING\r\n": PONG,
    b'PING "a b"\r\n': b"$3\r\na b\r\n",
    b"PING 'a b'\r\n": b"$3\r\na b\r\n",
    b'PING "\\x41\\n"\r\n': b"$2\r\nA\n\r\n",
    b'PING "\\r\\t\\b\\a\\q\\x4"\r\n': b"$7\r\n\r\t\b\aqx4\r\n",
    b"PING 'a\\'b\\n'\r\n": b"$5\r\na'b\\n\r\n",
    b"PING 'a\\\\'b'\r\n": b"$4\r\na\\'b\r\n",
    b'PING "a\\"b\\\\"\r\n': b'$4\r\na"b\\\r\n',
    b'PING a"b"\r\n': b"$2\r\nab\r\n",
    b'PING ""\r\n': b"$0\r\n\r\n",
    b"PING a\\b\r\n": b"$3\r\na\\b\r\n",
    # Arrays.
    b"*1\r\n$4\r\nPING\r\n": PONG,
    b"*2\r\n$4\r\nping\r\n$4\r\n\r\n\0\xff\r\n": b"$4\r\n\r\n\0\xff\r\n",
    b"*1\r\n$0\r\n\r\n": b"-ERR unknown command '', with args beginning with: \r\n",
    # What is not whole.
    b"PING": b"",
    b"*1\n$4\nPING\n": b"",
    b"*1\r\n$4\r\nPING\r": b"",
    b"*1024\r\n": b"",
}

BREAKS = {
    b'PING "a\r\n': "unbalanced quotes in request",
    b"PING 'a\r\n": "unbalanced quotes in request",
    b'PING "a"b\r\n': "unbalanced quotes in request",
    b'PING "a\\\r\n': "unbalanced quotes in request",
    b"*\r\n": "invalid multibulk length",
    b"*a\r\n": "invalid multibulk length",
    b"*01\r\n": "invalid multibulk length",
    b"*-0\r\n": "invalid multibulk length",
    b"*+1\r\n": "invalid multibulk length",
    b"* 1\r\n": "invalid multibulk length",
    b"*2147483648\r\n": "invalid multibulk length",
    b"*1025\r\n": "invalid multibulk length",
    b"*1\rx": "invalid multibulk length",
    b"*123456789012": "too big mbulk count string",
    b"*1\r\nPING\r\n": "expected '$', got 'P'",
    b"*1\r\n:4\r\n": "expected '$', got ':'",
    b"*1\r\n\r\n": "expected '$', got ' '",
    b"*1\r\n$-1\r\n": "invalid bulk length",
    b"*1\r\n$04\r\n": "invalid bulk length",
    b"*1\r\n$a\r\n": "invalid bulk length",
    b"*1\r\n$536870913\r\n": "invalid bulk length",
    b"*1\r\n$65537\r\n": "invalid bulk length",
    b"*1\r\n$123456789012": "too big bulk count string",
    b"*1\r\n$4\r\nPINGxx": "expected CR LF behind a bulk string",
}


@pytest.mark.parametrize(("stream", "replies"), GOES_ON.items(), ids=repr)
def test_a_request_is_answered_as_by_redis(stream: bytes, replies: bytes) -> None:
    dialogue = new_dialogue()
    assert say(dialogue, stream) == replies
    assert dialogue.ending == 0
    assert dialogue.commands == bool(replies)


@pytest.mark.parametrize(("stream", "text"), BREAKS.items(), ids=repr)
def test_what_is_no_request_is_told_and_ends_the_connection(stream: bytes, text: str) -> None:
    dialogue = new_dialogue()
    error = f"-ERR Protocol error: {text}\r\n".encode()
    assert say(dialogue, b"PING\r\n" + stream + b"PING\r\n") == PONG + error
    assert dialogue.ending == ENDED_PROTOCOL_ERROR
    assert dialogue.commands == 1
    assert dialogue.errors == [0, 0, 0, 1]
    assert stream.startswith(dialogue.pending[: len(stream)])
    assert say(dialogue, b"PING\r\n") == b""


@pytest.mark.parametrize("stream", [*GOES_ON, *BREAKS], ids=repr)
def test_no_cut_makes_a_difference(stream: bytes) -> None:
    whole = stream + b"ADD 2 3\r\n"
    expected = say(new_dialogue(), whole)
    assert say(new_dialogue(), *(whole[at : at + 1] for at in range(len(whole)))) == expected
    for cut in range(1, len(whole)):
        assert say(new_dialogue(), whole[:cut], whole[cut:]) == expected


def test_a_line_has_at_most_64_kib() -> None:
    longest = b"PING " + b"x" * (65_536 - 5)
    assert say(new_dialogue(), longest + b"\n") == b"$65531\r\n" + longest[5:] + b"\r\n"
    dialogue = new_dialogue()
    assert say(dialogue, longest) == b""
    assert say(dialogue, b"x") == b"-ERR Protocol error: too big inline request\r\n"
    assert say(new_dialogue(), longest + b"x\n") == b"-ERR Protocol error: too big inline request\r\n"


def test_a_line_has_at_most_1024_words() -> None:
    assert say(new_dialogue(), b"PING" + b" x" * 1023 + b"\n").startswith(b"-ERR wrong number")
    assert say(new_dialogue(), b"PING" + b" x" * 1024 + b"\n") == (
        b"-ERR Protocol error: too big inline request\r\n"
    )


def test_a_bulk_string_has_at_most_64_kib() -> None:
    assert say(new_dialogue(), array(b"PING", b"x" * 65_536)) == b"$65536\r\n" + b"x" * 65_536 + b"\r\n"


def test_a_command_has_at_most_1_mib() -> None:
    words = [b"x" * 65_536] * 15
    rest = 2**20 - sum(map(len, words)) - 4
    assert say(new_dialogue(), array(b"PING", *words, b"x" * rest)).startswith(b"-ERR wrong number")
    assert say(new_dialogue(), array(b"PING", *words, b"x" * (rest + 1))) == (
        b"-ERR Protocol error: invalid bulk length\r\n"
    )


def test_the_largest_command_may_come_byte_by_byte() -> None:
    stream = array(b"ECHO", b"x" * 65_536) + array(b"PING", *[b"y" * 65_536] * 15)
    dialogue = new_dialogue()
    replies = say(dialogue, *(stream[at : at + 1] for at in range(len(stream))))
    assert replies.startswith(b"$65536\r\nx")
    assert dialogue.commands == 2


@pytest.mark.parametrize(
    ("stream", "pending"),
    [
        (b"", b""),
        (b"PING\r\n", b""),
        (b"PING\r\nPI", b"PI"),
        (b"ECHO a long line", b"ECHO a long "),
        (b"*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nADD\r\n$1\r\n", b"*3\r\n$3\r\nADD\r"),
        (b"*3\r\n", b"*3\r\n"),
        (b"\r\n\r", b"\r"),
    ],
)
def test_the_beginning_of_what_is_not_whole_is_known(stream: bytes, pending: bytes) -> None:
    dialogue = new_dialogue()
    say(dialogue, stream)
    assert dialogue.pending == pending
    dialogue = new_dialogue()
    say(dialogue, *(stream[at : at + 1] for at in range(len(stream))))
    assert dialogue.pending == pending
    assert dialogue.first == stream[:12]
