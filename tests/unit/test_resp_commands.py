"""RESP: what each command is answered, in Redis's words where clients look at them."""

import pytest
from support.dialogue import CLIENT_ID, INFO, new_dialogue, say
from support.resp import array

from calcd.protocol.resp.commands import COMMANDS
from calcd.protocol.resp.dialogue import (
    DIVISION_BY_ZERO,
    NOT_AN_INTEGER,
    OTHER,
    TOO_BIG,
    Dialogue,
)

HELLO = (
    b"$6\r\nserver\r\n$5\r\ncalcd\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n$5\r\nproto\r\n:%d\r\n$2\r\nid\r\n:41\r\n"
    b"$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"
)
HELLO_2 = b"*14\r\n" + HELLO % 2
HELLO_3 = b"%7\r\n" + HELLO % 3
OK = b"+OK\r\n"
BAD_NAME = b"-ERR Client names cannot contain spaces, newlines or special characters.\r\n"
WRONG_USER = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"


def wrong_number(name: str) -> bytes:
    return f"-ERR wrong number of arguments for '{name}' command\r\n".encode()


REPLIES = {
    b"ADD 2 3": b":5\r\n",
    b"ADD 1 2 3 -4": b":2\r\n",
    b"SUB 2 3": b":-1\r\n",
    b"MUL 6 7 2": b":84\r\n",
    b"DIV -7 2": b":-3\r\n",
    b"DIV 7 -2": b":-3\r\n",
    b"ADD 000000000702 3": b":705\r\n",
    b"ADD -0 -00": b":0\r\n",
    b"ADD 9223372036854775807 0": b":9223372036854775807\r\n",
    b"ADD 9223372036854775807 1": b"$19\r\n9223372036854775808\r\n",
    b"SUB -9223372036854775808 1": b"$20\r\n-9223372036854775809\r\n",
    b"ADD": wrong_number("add"),
    b"ADD 1": wrong_number("add"),
    b"SUB 1 2 3": wrong_number("sub"),
    b"DIV 1 0": b"-DIVBYZERO division by zero\r\n",
    b"DIV 0 0": b"-DIVBYZERO division by zero\r\n",
    b"PING x": b"$1\r\nx\r\n",
    b"PING x y": wrong_number("ping"),
    b"ECHO x": b"$1\r\nx\r\n",
    b"ECHO": wrong_number("echo"),
    b"FOO a b": b"-ERR unknown command 'FOO', with args beginning with: 'a' 'b' \r\n",
    b"GET": b"-ERR unknown command 'GET', with args beginning with: \r\n",
    b"HELLO": HELLO_2,
    b"HELLO 2": HELLO_2,
    b"HELLO 3": HELLO_3,
    b"HELLO 3 AUTH default x SETNAME n": HELLO_3,
    b"HELLO 4": b"-NOPROTO unsupported protocol version\r\n",
    b"HELLO 1": b"-NOPROTO unsupported protocol version\r\n",
    b"HELLO x": b"-ERR Protocol version is not an integer or out of range\r\n",
    b"HELLO 03": b"-ERR Protocol version is not an integer or out of range\r\n",
    b"HELLO 3 FOO": b"-ERR Syntax error in HELLO option 'FOO'\r\n",
    b"HELLO 3 AUTH default": b"-ERR Syntax error in HELLO option 'AUTH'\r\n",
    b"HELLO 3 AUTH root x": WRONG_USER,
    b'HELLO 3 SETNAME "a b"': BAD_NAME,
    b"AUTH": wrong_number("auth"),
    b"AUTH x": b"-ERR AUTH <password> called without any password configured for the default user. "
    b"Are you sure your configuration is correct?\r\n",
    b"AUTH default x": OK,
    b"AUTH root x": WRONG_USER,
    b"AUTH a b c": b"-ERR syntax error\r\n",
    b"SELECT 0": OK,
    b"SELECT 3": b"-ERR DB index is out of range\r\n",
    b"SELECT x": b"-ERR value is not an integer or out of range\r\n",
    b"RESET": b"+RESET\r\n",
    b"RESET x": wrong_number("reset"),
    b"CLIENT": wrong_number("client"),
    b"CLIENT ID": b":%d\r\n" % CLIENT_ID,
    b"client getname": b"$-1\r\n",
    b'CLIENT SETNAME "a b"': BAD_NAME,
    b'CLIENT SETNAME ""': OK,
    b"CLIENT SETNAME": wrong_number("client|setname"),
    b"CLIENT SETINFO lib-name redis-py": OK,
    b"CLIENT SETINFO LIB-VER 5.0.1": OK,
    b"CLIENT SETINFO FOO x": b"-ERR Unrecognized option 'FOO'\r\n",
    b'CLIENT SETINFO LIB-VER "a b"': (
        b"-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n"
    ),
    b"CLIENT FOO": b"-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n",
    b"CONFIG GET save": b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n",
    b"CONFIG GET SAVE appendonly": b"*4\r\n$4\r\nsave\r\n$0\r\n\r\n$10\r\nappendonly\r\n$2\r\nno\r\n",
    b"CONFIG GET databases": b"*2\r\n$9\r\ndatabases\r\n$1\r\n1\r\n",
    b"CONFIG GET port": b"-ERR CONFIG GET knows save, appendonly and databases alone\r\n",
    b"CONFIG SET save x": b"-ERR unknown subcommand 'SET'. Try CONFIG HELP.\r\n",
    b"INFO": b"$%d\r\n%b\r\n" % (len(INFO), INFO),
    b"INFO nosuch": b"$0\r\n\r\n",
    b"INFO Replication": b"$28\r\n# Replication\r\nrole:master\r\n\r\n",
    b"INFO stats replication": b"$44\r\n# Replication\r\nrole:master\r\n\r\n# Stats\r\nx:0\r\n\r\n",
    b"INFO nosuch everything": b"$%d\r\n%b\r\n" % (len(INFO), INFO),
    b"COMMAND COUNT": b":%d\r\n" % len(COMMANDS),
    b"COMMAND LIST FILTERBY MODULE x": b"-ERR syntax error\r\n",
    b"WATCH a b": OK,
    b"UNWATCH": OK,
    b"EXEC": b"-ERR EXEC without MULTI\r\n",
    b"DISCARD": b"-ERR DISCARD without MULTI\r\n",
    b"HELP x": b"-ERR HELP takes the name of one command, or nothing\r\n",
}


@pytest.mark.parametrize(("line", "reply"), REPLIES.items(), ids=repr)
def test_a_command_has_its_reply_in_any_case_as_a_line_and_as_an_array(line: bytes, reply: bytes) -> None:
    for stream in (line + b"\r\n", line + b"\n"):
        dialogue = new_dialogue()
        assert say(dialogue, stream + b"ADD 1 1\n") == reply + (b":2\r\n")
        assert dialogue.commands == 2
        assert sum(dialogue.errors) == reply.startswith(b"-")
    if b'"' not in line:
        assert say(new_dialogue(), array(*line.split())) == reply


@pytest.mark.parametrize(
    ("operand", "kind"),
    [
        *(
            (word, NOT_AN_INTEGER)
            for word in (b"", b"-", b"--1", b"+1", b" 1", b"1 ", b"1_0", b"1.0", b"0x1")
        ),
        *((word, NOT_AN_INTEGER) for word in (b"\xb2", "٣".encode(), b"1\x85", b"\xa01", b"x" * 2000)),
        (b"0" * 1025, TOO_BIG),
        (b"-" + b"9" * 1025, TOO_BIG),
        (b"9" * 60_000, TOO_BIG),
    ],
)
@pytest.mark.parametrize("name", [b"ADD", b"SUB", b"MUL", b"DIV"])
def test_an_operand_is_a_sign_and_1024_digits_at_most(name: bytes, operand: bytes, kind: int) -> None:
    for words in ([name, operand, b"1"], [name, b"0", operand]):
        dialogue = new_dialogue()
        word = {NOT_AN_INTEGER: b"-NOTINT ", TOO_BIG: b"-TOOBIG "}[kind]
        assert say(dialogue, array(*words)).startswith(word)
        assert dialogue.errors[kind] == sum(dialogue.errors) == 1
        assert dialogue.ending == 0


def test_a_command_has_at_most_64_operands() -> None:
    assert say(new_dialogue(), b"ADD" + b" 1" * 64 + b"\n") == b":64\r\n"
    assert say(new_dialogue(), b"ADD" + b" 1" * 65 + b"\n").startswith(b"-TOOBIG ")


def test_a_result_has_at_most_2048_digits() -> None:
    nines = b"9" * 1024
    product = str(int(nines) ** 2).encode()
    assert say(new_dialogue(), array(b"MUL", nines, b"-" + nines)) == b"$2049\r\n-" + product + b"\r\n"
    assert say(new_dialogue(), array(b"MUL", nines, nines, b"2")).startswith(b"-TOOBIG ")
    assert say(new_dialogue(), array(b"MUL", *[nines] * 64)).startswith(b"-TOOBIG ")
    assert say(new_dialogue(), array(b"MUL", *[nines] * 63, b"0")) == b":0\r\n"
    assert say(new_dialogue(), array(b"MUL", b"1" + b"0" * 1023, b"1" + b"0" * 1023, b"10")).startswith(
        b"$2048"
    )
    assert say(new_dialogue(), array(b"MUL", b"1" + b"0" * 1023, b"1" + b"0" * 1023, b"100")).startswith(
        b"-TOOBIG"
    )
    power = str(2**3400).encode()  # 2**6803 has 2,048 digits
    assert say(new_dialogue(), array(b"MUL", power, power, b"8")).startswith(b"$2048")
    assert say(new_dialogue(), array(b"MUL", power, power, b"16")).startswith(b"-TOOBIG")
    assert say(new_dialogue(), array(b"DIV", nines, b"-" + nines)) == b":-1\r\n"


def test_an_error_shows_128_bytes_of_what_a_client_sent_and_is_one_line() -> None:
    reply = say(new_dialogue(), array(b"x\r\n" * 100, b"y" * 100, b"z" * 100))
    assert reply == (
        b"-ERR unknown command '" + (b"x  " * 100)[:128] + b"', with args beginning with: "
        b"'" + b"y" * 100 + b"' '" + b"z" * 25 + b"' \r\n"
    )
    assert say(new_dialogue(), array(b"CLIENT", b"\r\nOK")) == (
        b"-ERR unknown subcommand '  OK'. Try CLIENT HELP.\r\n"
    )


def test_hello_3_changes_the_form_of_replies_and_reset_changes_it_back() -> None:
    dialogue = new_dialogue()
    assert say(dialogue, b"HELLO 3 SETNAME me\nCLIENT GETNAME\n") == HELLO_3 + b"$2\r\nme\r\n"
    assert say(dialogue, b'CLIENT SETNAME ""\nCLIENT GETNAME\n') == OK + b"_\r\n"
    assert say(dialogue, b"INFO replication\n") == b"=32\r\ntxt:# Replication\r\nrole:master\r\n\r\n"
    assert say(dialogue, b"CONFIG GET save\n") == b"%1\r\n$4\r\nsave\r\n$0\r\n\r\n"
    assert say(dialogue, b"COMMAND INFO x\n") == b"*1\r\n_\r\n"
    assert say(dialogue, b"ADD 9223372036854775807 1\n") == b"$19\r\n9223372036854775808\r\n"
    assert say(dialogue, b"HELLO 4\nHELLO 2 FOO\nHELLO\n").endswith(HELLO_3)
    assert say(dialogue, b"RESET\nCLIENT GETNAME\nHELLO\n") == b"+RESET\r\n$-1\r\n" + HELLO_2


def test_client_info_has_what_is_known_and_all_fields_that_redis_py_wants() -> None:
    dialogue = new_dialogue()
    say(dialogue, b"CLIENT SETNAME me\nCLIENT SETINFO LIB-NAME lib\nCLIENT SETINFO LIB-VER 1.0\n")
    reply = say(dialogue, b"CLIENT INFO\n")
    fields = dict(field.split(b"=") for field in reply.split(b"\r\n")[1].rstrip(b"\n").split(b" "))
    known = {b"id": b"41", b"addr": b"192.0.2.1:4321", b"laddr": b"", b"name": b"me"}
    assert known.items() <= fields.items()
    assert (fields[b"lib-name"], fields[b"lib-ver"], fields[b"resp"]) == (b"lib", b"1.0", b"2")
    for name in b"age idle db sub psub multi qbuf qbuf-free obl argv-mem oll omem tot-mem".split():
        int(fields[name])


def test_a_new_connection_knows_nothing_of_the_one_before() -> None:
    ids = iter([7, 8])
    dialogue = Dialogue(lambda: INFO, lambda: next(ids))
    say(
        dialogue,
        b"HELLO 3 SETNAME me\nCLIENT SETINFO LIB-NAME x\nFOO\nMULTI\nCLIENT ID\nEXEC\nCLIENT ID\nMULTI\nPI",
    )
    dialogue.begin(None, b"")
    assert (dialogue.commands, dialogue.errors, dialogue.pending, dialogue.first) == (0, [0] * 4, b"", b"")
    replies = say(dialogue, b"CLIENT ID\nCLIENT GETNAME\nCLIENT INFO\nEXEC\n")
    assert replies.startswith(b":8\r\n$-1\r\n$")
    assert b"lib-name= " in replies
    assert replies.endswith(b"-ERR EXEC without MULTI\r\n")


def test_errors_are_counted_by_their_first_words() -> None:
    dialogue = new_dialogue()
    say(dialogue, b"DIV 1 0\nADD x 1\nFOO\nHELLO 9\nADD 1\nADD" + b" 1" * 65 + b"\n")
    expected = [0] * 4
    expected[DIVISION_BY_ZERO] = expected[NOT_AN_INTEGER] = expected[TOO_BIG] = 1
    expected[OTHER] = 3
    assert dialogue.errors == expected
