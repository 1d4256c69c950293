"""RESP: what the fast ways answer is what the general way answers, to the byte."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dialogue import new_dialogue, say
from support.resp import array

from calcd.protocol.resp import batches

NAMES = st.sampled_from([b"ADD", b"SUB", b"MUL", b"DIV", b"add", b"Div"])
NUMBERS = st.integers(-(2**70), 2**70) | st.integers(-9, 9)
WRONG_LENGTHS = (
    b"*3\r\n$3\r\nADD\r\n$1\r\n2\r\n$2\r\n3\r\n",
    b"*3\r\n$3\r\nADD\r\n$2\r\n2\r\n$1\r\n3\r\n",
    b"*3\r\n$4\r\nADD\r\n$1\r\n2\r\n$1\r\n3\r\n",
    b"*4\r\n$3\r\nADD\r\n$1\r\n2\r\n$1\r\n3\r\n",
)
ODD = st.sampled_from(
    [
        *WRONG_LENGTHS,
        *(b"*3\r\n$3\r\nADD\r\n$1\r\n+\r\n$1\r\n2\r\n", b"*3\r\n$3\r\nADD\r\n$2\r\n 1\r\n$1\r\n2\r\n"),
        *(b"*3\r\n$3\r\nADD\r\n$03\r\n123\r\n$1\r\n2\r\n", b"*3\r\n$3\r\nADD\r\n$3\r\n1_2\r\n$1\r\n2\r\n"),
        *(b"*3\r\n$3\r\nADD\r\n$4\r\n1\r\n2\r\n$1\r\n2\r\n", b"*3\r\n$4\r\nECHO\r\n$1\r\n2\r\n$1\r\n2\r\n"),
        *(
            b"*1\r\n$4\r\nPING\r\n",
            b"\r\n",
            b"ADD 1_0 2\n",
            b"ADD  1 2\n",
            b"ADD 1\t2\n",
            b'ADD "1" 2\n',
            b"ADD 1 2 3\n",
        ),
        *(
            b"DIV 1 0\n",
            b"ADD 1\nADD 1 2 3\n",
            b"ADD " + b"0" * 1025 + b" 1\n",
            b"SUB 1" + b"0" * 1100 + b" 1\n",
        ),
        *(b"DIV 1" + b"0" * 1100 + b" 1" + b"0" * 1100 + b"\n", b"ADD 1 2\r\r\n", b"ADD \xb2 1\n"),
    ]
)


def line(*words: bytes) -> bytes:
    return b" ".join(words) + b"\n"


def general(stream: bytes, monkeypatch: pytest.MonkeyPatch) -> bytes:
    with monkeypatch.context() as patch:
        patch.setattr(batches, "answer", lambda _data: (b"", 0, 0))
        patch.setattr(batches, "answer_one", lambda _data: b"")
        return say(new_dialogue(), stream)


def commands(write: Callable[..., bytes]) -> st.SearchStrategy[bytes]:
    return st.builds(lambda name, a, b: write(name, b"%d" % a, b"%d" % b), NAMES, NUMBERS, NUMBERS)


@given(st.lists(commands(array) | ODD, max_size=12) | st.lists(commands(line) | ODD, max_size=12))
@settings(max_examples=300, deadline=None)
def test_a_batch_is_answered_as_its_commands_are(parts: list[bytes]) -> None:
    stream = b"".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        expected = general(stream, patch)
    assert say(new_dialogue(), stream) == expected
    assert say(new_dialogue(), *parts) == expected


@given(
    st.sampled_from([array, line]),
    st.sampled_from([1, 3, 4, 9, 64, 65]).flatmap(
        lambda count: st.lists(st.tuples(NAMES, *[NUMBERS] * count), min_size=1, max_size=5)
    ),
)
@settings(max_examples=100, deadline=None)
def test_a_batch_of_more_operands_is_answered_as_its_commands_are(
    write: Callable[..., bytes], rows: list[tuple[bytes, *tuple[int, ...]]]
) -> None:
    parts = [write(name, *(b"%d" % number for number in numbers)) for name, *numbers in rows]
    with pytest.MonkeyPatch.context() as patch:
        expected = general(b"".join(parts), patch)
    assert say(new_dialogue(), b"".join(parts)) == expected
    assert say(new_dialogue(), *parts) == expected


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize("wrong", WRONG_LENGTHS)
def test_a_wrong_length_is_no_command_for_the_fast_ways(
    wrong: bytes, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert batches.answer_one(wrong) == b""
    stream = array(b"ADD", b"2", b"3") * (count - 1) + wrong
    assert batches.answer(stream) == (b"", 0, 0)
    assert say(new_dialogue(), stream) == general(stream, monkeypatch)


@pytest.mark.parametrize("write", [array, line])
@pytest.mark.parametrize("errors", [0, 1, 50])
def test_a_full_read_is_answered_as_its_commands_are(
    write: Callable[..., bytes], errors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(errors)
    parts = [
        write(
            random.choice([b"ADD", b"SUB", b"MUL", b"DIV"]),
            b"%d" % random.randrange(-999_999, 1_000_000),
            b"%d" % random.randrange(1, 1_000_000),
        )
        for _ in range(2400)
    ]
    for _ in range(errors):
        parts[random.randrange(len(parts))] = write(b"DIV", b"1", b"0")
    stream = b"".join(parts)[: 65_536 - 7]
    assert say(new_dialogue(), stream) == general(stream, monkeypatch)


@pytest.mark.parametrize("write", [array, line])
def test_the_usual_commands_take_the_fast_way(write: Callable[..., bytes]) -> None:
    stream = write(b"ADD", b"2", b"3") + write(b"div", b"-7", b"2") + write(b"MUL", b"2", b"0007")
    assert batches.answer(stream + stream[:5]) == (b":5\r\n:-3\r\n:14\r\n", 3, len(stream))
    assert batches.answer_one(write(b"SUB", b"2", b"3")) == b":-1\r\n"
    assert batches.answer_one(write(b"PING")) == b"+PONG\r\n"


@pytest.mark.parametrize("write", [array, line])
@pytest.mark.parametrize("count", [3, 64])
def test_commands_with_as_many_operands_take_the_fast_way(write: Callable[..., bytes], count: int) -> None:
    stream = write(b"ADD", *[b"2"] * count) + write(b"mul", *[b"-1"] * count)
    assert batches.answer(stream) == (b":%d\r\n:%d\r\n" % (2 * count, (-1) ** count), 2, len(stream))


@pytest.mark.parametrize("name", [b"SUB", b"DIV", b"MUL"])
def test_what_is_an_error_or_takes_long_is_left_to_the_general_way(name: bytes) -> None:
    operand = b"9" * (1000 if name == b"MUL" else 1)
    assert batches.answer(line(name, *[operand] * 60)) == (b"", 0, 0)
