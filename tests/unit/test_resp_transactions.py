"""RESP's transactions, which the pipelines of the usual clients are by default."""

import pytest
from support.dialogue import new_dialogue, say
from support.resp import array

from calcd.protocol.resp.dialogue import DIVISION_BY_ZERO, ENDED_QUIT, ENDED_QUOTA, OTHER

OK, QUEUED = b"+OK\r\n", b"+QUEUED\r\n"
ABORTED = b"-EXECABORT Transaction discarded because of previous errors.\r\n"


def test_commands_wait_for_exec_and_are_answered_together() -> None:
    dialogue = new_dialogue()
    replies = say(dialogue, b"MULTI\nADD 1 2\nPING\nINFO nosuch\nEXEC\nADD 1 1\n")
    assert replies == OK + QUEUED * 3 + b"*3\r\n:3\r\n+PONG\r\n$0\r\n\r\n:2\r\n"
    assert dialogue.commands == 6


def test_the_usual_commands_wait_as_well_when_they_come_as_a_batch() -> None:
    batch = array(b"ADD", b"2", b"3") * 100
    dialogue = new_dialogue()
    assert say(dialogue, b"MULTI\r\n" + batch, b"EXEC\r\n" + batch) == (
        OK + QUEUED * 100 + b"*100\r\n" + b":5\r\n" * 200
    )
    assert dialogue.commands == 202


def test_a_wrong_operand_is_found_by_exec_and_the_others_run() -> None:
    dialogue = new_dialogue()
    replies = say(dialogue, b"MULTI\nDIV 1 0\nADD x 1\nADD 1 1\nEXEC\n")
    assert replies.startswith(OK + QUEUED * 3 + b"*3\r\n-DIVBYZERO division by zero\r\n-NOTINT ")
    assert replies.endswith(b"\r\n:2\r\n")
    assert dialogue.errors[DIVISION_BY_ZERO] == 1


@pytest.mark.parametrize("line", [b"FOO", b"ADD 1", b"CLIENT FOO", b"EXEC x", b"GET key"])
def test_an_error_while_queuing_discards_all(line: bytes) -> None:
    dialogue = new_dialogue()
    replies = say(dialogue, b"MULTI\nADD 1 2\n" + line + b"\nADD 1 2\nEXEC\nADD 1 1\n")
    assert replies.startswith(OK + QUEUED + b"-ERR ")
    assert replies.endswith(QUEUED + ABORTED + b":2\r\n")
    assert dialogue.errors[OTHER] == 2
    assert say(dialogue, b"MULTI\nPING\nEXEC\n") == OK + QUEUED + b"*1\r\n+PONG\r\n"


def test_an_error_outside_has_nothing_to_do_with_the_next_transaction() -> None:
    assert say(new_dialogue(), b"FOO\nMULTI\nEXEC\n").endswith(OK + b"*0\r\n")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"MULTI", b"-ERR MULTI calls can not be nested\r\n"),
        (b"WATCH x", b"-ERR WATCH inside MULTI is not allowed\r\n"),
    ],
)
def test_transactions_are_not_nested_nor_watched_from_within(line: bytes, error: bytes) -> None:
    replies = say(new_dialogue(), b"MULTI\nPING\n" + line + b"\nEXEC\n")
    assert replies == OK + QUEUED + error + b"*1\r\n+PONG\r\n"


def test_discard_and_reset_drop_what_waits() -> None:
    assert say(new_dialogue(), b"WATCH x\nMULTI\nPING\nDISCARD\nEXEC\n") == (
        OK + OK + QUEUED + OK + b"-ERR EXEC without MULTI\r\n"
    )
    assert say(new_dialogue(), b"MULTI\nPING\nRESET\nEXEC\n") == (
        OK + QUEUED + b"+RESET\r\n-ERR EXEC without MULTI\r\n"
    )


def test_hello_waits_too_and_holds_from_its_place_on() -> None:
    replies = say(new_dialogue(), b"MULTI\nCLIENT GETNAME\nHELLO 3\nCLIENT GETNAME\nEXEC\n")
    assert replies.startswith(OK + QUEUED * 3 + b"*3\r\n$-1\r\n%7\r\n")
    assert replies.endswith(b"_\r\n")


def test_quit_waits_for_nothing() -> None:
    dialogue = new_dialogue()
    assert say(dialogue, b"MULTI\nPING\nQUIT\nEXEC\n") == OK + QUEUED + OK
    assert dialogue.ending == ENDED_QUIT


def test_at_most_10000_commands_wait() -> None:
    dialogue = new_dialogue()
    assert say(dialogue, b"MULTI\n" + b"PING\n" * 10_000) == OK + QUEUED * 10_000
    assert say(dialogue, b"PING\nPING\nEXEC\n") == (
        b"-ERR a transaction has at most 10000 commands and 1048576 bytes\r\n" + QUEUED + ABORTED
    )


def test_at_most_1_mib_waits() -> None:
    dialogue = new_dialogue()
    echo = array(b"ECHO", b"x" * 65_530)
    assert say(dialogue, b"MULTI\r\n" + echo * 16) == OK + QUEUED * 16
    assert say(dialogue, b"PING\nEXEC\n") == (
        b"-ERR a transaction has at most 10000 commands and 1048576 bytes\r\n" + ABORTED
    )


def test_an_empty_word_is_no_way_to_have_more_wait() -> None:
    dialogue = new_dialogue()
    info = array(b"INFO", *[b""] * 1023)
    most = 1024 * 1024 // (len(b"INFO") + 1024)
    assert say(dialogue, b"MULTI\r\n" + info * most) == OK + QUEUED * most
    assert say(dialogue, info).startswith(b"-ERR a transaction has at most ")


def test_the_replies_of_exec_come_in_portions_too() -> None:
    dialogue = new_dialogue()
    one = len(say(new_dialogue(), b"COMMAND DOCS\n"))
    say(dialogue, b"MULTI\n" + b"COMMAND DOCS\n" * 200)
    dialogue.receive(b"EXEC\nPING\n")
    portions = []
    while replies := dialogue.replies():
        portions.append(replies)
    assert max(map(len, portions)) <= 256 * 1024 + one
    assert len(b"".join(portions)) == len(b"*200\r\n+PONG\r\n") + 200 * one
    assert dialogue.commands == 203


def test_exec_is_one_command_for_a_quota() -> None:
    dialogue = new_dialogue(4)
    assert say(dialogue, b"MULTI\nPING\nPING\nEXEC\n") == OK + QUEUED * 2 + b"*2\r\n+PONG\r\n+PONG\r\n"
    assert (dialogue.ending, dialogue.commands) == (ENDED_QUOTA, 4)
