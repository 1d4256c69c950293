"""RESP: what ends a dialogue, and how much of it is said at once."""

import math
import socket

import pytest
from support.dialogue import new_dialogue, say
from support.resp import array

from calcd.handler import report
from calcd.handler.session import Session
from calcd.protocol.resp.dialogue import ENDED_QUIT, ENDED_QUOTA, ENDED_STRANGER, Dialogue
from calcd.settings.limits import Limits

OK = b"+OK\r\n"


@pytest.mark.parametrize("line", [b"QUIT\r\n", b"quit a b\n", b"*1\r\n$4\r\nQUIT\r\n"])
def test_quit_ends_and_what_follows_is_not_run(line: bytes) -> None:
    dialogue = new_dialogue()
    assert say(dialogue, line + b"PING\r\n", b"PING\r\n") == OK
    assert (dialogue.ending, dialogue.commands, dialogue.pending) == (ENDED_QUIT, 1, b"")


@pytest.mark.parametrize(
    ("pieces", "ending", "unanswered"),
    [
        ([b"QU", b"IT\r\n"], report.QUIT, b""),
        ([b"*1\r\n$4", b"\r\nQUIT\r\n"], report.QUIT, b""),
        ([b"PI", b"NG\r\n*x\r\n"], report.PROTOCOL_ERROR, b"*x\r\n"),
    ],
)
def test_a_session_reports_what_had_no_answer_and_nothing_else(
    pieces: list[bytes], ending: int, unanswered: bytes
) -> None:
    client, connection = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    session = Session(
        Limits(dict.fromkeys(Limits.NAMES, math.inf)), Dialogue(lambda: b"", lambda: 1), lambda _: None
    )
    with client:
        for piece in pieces:
            client.send(piece)
        client.shutdown(socket.SHUT_WR)
        outcome = session.serve(connection.detach(), "classic resp", b"somebody")
    assert (outcome[0], outcome[4]) == (ending, unanswered)


@pytest.mark.parametrize(
    "words",
    [b"POST / HTTP/1.1", b"post x", b"Host: x", b"HOST: x", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2", b"PROXY"],
)
def test_a_stranger_who_could_do_harm_gets_no_reply(words: bytes) -> None:
    for stream in (words + b"\r\nADD 1 2\r\n", array(*words.split())):
        dialogue = new_dialogue()
        assert say(dialogue, stream) == b""
        assert (dialogue.ending, dialogue.commands) == (ENDED_STRANGER, 0)


def test_the_binary_proxy_header_gets_no_reply() -> None:
    dialogue = new_dialogue()
    assert say(dialogue, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c") == b""
    assert dialogue.ending == ENDED_STRANGER


def test_http_gets_no_reply_if_its_head_comes_at_once() -> None:
    dialogue = new_dialogue()
    assert say(dialogue, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    assert (dialogue.ending, dialogue.commands, dialogue.errors) == (ENDED_STRANGER, 0, [0] * 4)
    dialogue = new_dialogue()
    assert say(dialogue, b"GET / HTTP/1.1\r\n", b"Host: x\r\n").startswith(b"-ERR unknown command 'GET'")
    assert (dialogue.ending, dialogue.commands) == (ENDED_STRANGER, 1)


def test_a_few_lines_that_are_no_commands_and_nothing_else_are_a_strangers() -> None:
    dialogue = new_dialogue()
    say(dialogue, b"EHLO x\r\nMAIL y\r\n")
    assert not dialogue.is_stranger
    say(dialogue, b"RCPT z\r\n")
    assert dialogue.is_stranger
    assert dialogue.ending == 0
    say(dialogue, b"PING\r\n")
    assert not dialogue.is_stranger


@pytest.mark.parametrize("stream", [b"ADD 2 3\n" * 5, array(b"ADD", b"2", b"3") * 5, b"FOO\n" * 5])
def test_a_quota_ends_the_connection_behind_its_last_reply(stream: bytes) -> None:
    dialogue = new_dialogue(3)
    replies = say(dialogue, stream)
    assert replies.count(b"\n") == 4
    assert replies.endswith(b"-ERR MaxRequests= is reached: calcd closes the connection\r\n")
    assert (dialogue.ending, dialogue.commands, dialogue.pending) == (ENDED_QUOTA, 3, b"")
    dialogue = new_dialogue(3)
    alone = say(dialogue, *(stream[at : at + 1] for at in range(len(stream))))
    assert replies.startswith(alone)
    assert alone.count(b"\n") == 3


def test_a_quota_that_is_used_up_leaves_no_command() -> None:
    dialogue = new_dialogue(0)
    assert say(dialogue, b"PING\n") == b""
    assert dialogue.ending == ENDED_QUOTA


def test_replies_come_in_portions_that_memory_has_room_for() -> None:
    dialogue = new_dialogue()
    dialogue.receive(b"COMMAND DOCS\n" * 1000)
    one = len(say(new_dialogue(), b"COMMAND DOCS\n"))
    portions = []
    while replies := dialogue.replies():
        portions.append(len(replies))
    assert sum(portions) == 1000 * one
    assert max(portions) <= 256 * 1024 + one
    assert dialogue.commands == 1000


def test_more_may_come_before_all_is_answered() -> None:
    dialogue = new_dialogue()
    dialogue.receive(array(b"COMMAND", b"DOCS") * 50)
    dialogue.receive(array(b"COMMAND", b"DOCS") * 50 + b"EC")
    first = dialogue.replies()
    assert dialogue.commands < 100
    dialogue.receive(b"HO x\n")
    replies = first + say(dialogue, b"PING\n")
    assert replies.endswith(b"$1\r\nx\r\n+PONG\r\n")
    assert replies.removesuffix(b"$1\r\nx\r\n+PONG\r\n") == 100 * say(new_dialogue(), b"COMMAND DOCS\n")
    assert dialogue.commands == 102


def test_a_refusal_is_an_error_of_one_line_and_counts_as_one() -> None:
    dialogue = new_dialogue()
    assert dialogue.refusal("calcd stops:\r\ntry again") == b"-ERR calcd stops:  try again\r\n"
    assert dialogue.errors == [0, 0, 0, 1]
