"""What calcd computes over RESP, and what it says where there is no result."""

from collections.abc import Iterator

import pytest
from support.daemon import Calcd
from support.resp import CONNECTIONS, Error, array, ask, assert_goes_on, bulk, decode

NINES = "9" * 1024


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calcd]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as calcd:
        calcd.expected.append(CONNECTIONS)
        yield calcd


RESULTS = {
    "ADD 2 3": 5,
    "add 1 2 3 4": 10,
    "SUB 2 3": -1,
    "MUL -2 3 4": -24,
    "DIV 7 2": 3,
    "DIV -7 2": -3,
    "DIV 7 -2": -3,
    "DIV -7 -2": 3,
    "ADD 000000000702 3": 705,
    "ADD -0 -00": 0,
    "ADD 9223372036854775806 1": 2**63 - 1,
    "SUB -9223372036854775807 1": -(2**63),
    "DIV -9223372036854775808 -1": 2**63,
    "ADD 9223372036854775807 1": 2**63,
    "SUB -9223372036854775808 1": -(2**63) - 1,
    f"DIV {NINES} {NINES}": 1,
    "ADD" + " 1" * 64: 64,
    "MUL" + " 9999" * 64: 9999**64,
    f"ADD 0 {NINES}": int(NINES),
    f"ADD 0 -{NINES}": -int(NINES),
    f"MUL {NINES} -{NINES}": -(int(NINES) ** 2),
    f"MUL {NINES} {NINES} {NINES} 0": 0,
}


@pytest.mark.parametrize("hello", [b"", b"HELLO 3\r\n"])
@pytest.mark.parametrize("command", RESULTS, ids=lambda command: command[:40])
def test_a_result_is_an_integer_within_64_bits_and_a_bulk_string_beyond(
    calcd: Calcd, command: str, hello: bytes
) -> None:
    result = RESULTS[command]
    reply = b":%d\r\n" % result if -(2**63) <= result < 2**63 else bulk(str(result).encode())
    with calcd.connect() as connection:
        ask(connection, hello)
        assert ask(connection, command.encode() + b"\n") == reply
    assert_goes_on(calcd, array(*command.split()), reply)


@pytest.mark.parametrize(
    "operand", [b"x", b"+1", b"1_0", b"1.5", b"", b" 1", b"1 ", b"1\n", b"0x10", b"--1", b"-", b"1e3"]
)
def test_only_digits_and_a_minus_are_a_number(calcd: Calcd, operand: bytes) -> None:
    assert_error(calcd, array("ADD", 1, operand), "NOTINT")
    assert_error(calcd, array("DIV", operand, 0), "NOTINT")


@pytest.mark.parametrize("operand", ["\u0661", "\uff11", "\xa01", "1\x85"])
def test_digits_and_blanks_of_other_scripts_are_no_number(calcd: Calcd, operand: str) -> None:
    """Python's int() takes them."""
    assert int(operand) == 1
    assert_error(calcd, array("ADD", operand, 1), "NOTINT")
    assert_error(calcd, array("ADD", operand.encode("latin-1", "replace"), 1), "NOTINT")


@pytest.mark.parametrize(
    ("words", "first_word"),
    [
        (("DIV", 1, 0), "DIVBYZERO"),
        (("DIV", 0, 0), "DIVBYZERO"),
        (("DIV", 5, "-000"), "DIVBYZERO"),
        (("ADD", 0, NINES + "9"), "TOOBIG"),
        (("ADD", 0, "-" + "0" * 1025), "TOOBIG"),
        (("MUL", 0, "1" * 60_000), "TOOBIG"),
        (("ADD", *[1] * 65), "TOOBIG"),
        (("MUL", *[NINES] * 64), "TOOBIG"),
        (("MUL", NINES, NINES, 10), "TOOBIG"),
        (("ADD", 1), "ERR"),
        (("MUL",), "ERR"),
        (("SUB", 1, 2, 3), "ERR"),
        (("DIV", 1, 2, 3), "ERR"),
    ],
)
def test_what_has_no_result_has_an_error_and_the_connection_goes_on(
    calcd: Calcd, words: tuple[str | int, ...], first_word: str
) -> None:
    assert_error(calcd, array(*words), first_word)


def test_a_wrong_operand_in_a_transaction_is_told_at_its_execution(calcd: Calcd) -> None:
    commands = b"MULTI\r\nADD 1 x\r\nDIV 1 0\r\nADD 2 3\r\nEXEC\r\n"
    with calcd.connect() as connection:
        *before, results = decode(ask(connection, commands))
    assert before == [b"OK", *[b"QUEUED"] * 3]
    assert isinstance(results, list)
    not_a_number, by_zero, five = results
    assert not_a_number.text.startswith("NOTINT ")
    assert by_zero.text.startswith("DIVBYZERO ")
    assert five == 5


def test_help_names_every_operation(calcd: Calcd) -> None:
    """For people with nc and telnet: lines that need no decoding."""
    with calcd.connect() as connection:
        shown = ask(connection, b"HELP\r\n").decode()
    for word in ("ADD", "SUB", "MUL", "DIV", "QUIT"):
        assert word in shown


def assert_error(calcd: Calcd, stream: bytes, first_word: str) -> None:
    with calcd.connect() as connection:
        for pieces in ([stream], [stream[:7], stream[7:]]):
            connection.sendall(pieces[0])
            (error,) = decode(ask(connection, b"".join(pieces[1:])))
            assert isinstance(error, Error), error
            assert error.text.split()[0] == first_word
            assert len(error.text.split()) >= 4, "a sentence"
        assert decode(ask(connection, b"ADD 2 3\r\n")) == [5]
