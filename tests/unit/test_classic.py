"""The classic protocol: any run of frames is answered as its frames are, one after the other."""

import ctypes
import itertools
import struct
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.integers import INT_MAX, INT_MIN

from calcd.protocol import calculator, classic
from calcd.protocol.classic import Operation

any_int = st.sampled_from([INT_MIN, -1, 0, 1, INT_MAX]) | st.integers(INT_MIN, INT_MAX)


class Frame(NamedTuple):
    oper: int
    op1: int
    op2: int

    def encode(self) -> bytes:
        return struct.pack("<iii", *self)


# Mostly answerable, so that the streams are not all cut short at once.
good_frames = st.builds(Frame, st.integers(0, 3), any_int, any_int.filter(bool))
any_frames = st.builds(Frame, st.integers(0, 4) | any_int, any_int, any_int)
streams = st.builds(list.__add__, st.lists(good_frames), st.lists(any_frames))


def expected(stream: list[Frame]) -> tuple[list[int], int | None]:
    """The results and the stop, one frame at a time and without calcd's own arithmetic."""
    results: list[int] = []
    for oper, a, b in stream:
        if oper == 4:
            return results, calculator.STOP_QUIT
        if oper not in (0, 1, 2, 3):
            return results, calculator.STOP_UNKNOWN_OPERATION
        if oper == 3 and b == 0:
            return results, calculator.STOP_DIVISION_BY_ZERO
        if oper == 3:
            exact = (abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1)
        else:
            exact = {0: a + b, 1: a - b, 2: a * b}[oper]
        results.append(ctypes.c_int32(exact).value)
    return results, None


def encode(stream: list[Frame]) -> bytes:
    return b"".join(frame.encode() for frame in stream)


@given(streams)
def test_every_request_up_to_the_one_that_stops_gets_its_answer_in_order(stream: list[Frame]) -> None:
    results, stop = expected(stream)
    replies, stopped_by = calculator.answer(encode(stream))
    assert classic.decode_replies(replies) == tuple(results)
    assert len(replies) == 4 * len(results)
    assert stopped_by == stop


@given(streams, st.lists(st.integers(0, 40)))
def test_answers_do_not_depend_on_how_the_stream_was_cut_into_runs(
    stream: list[Frame], cuts: list[int]
) -> None:
    data = encode(stream)
    borders = [0, *sorted(min(12 * cut, len(data)) for cut in cuts), len(data)]
    replies = b""
    stop = None
    for start, end in itertools.pairwise(borders):
        more, stop = calculator.answer(data[start:end])
        replies += more
        if stop is not None:
            break
    assert (replies, stop) == calculator.answer(data)


@given(streams)
def test_a_view_of_a_buffer_is_answered_as_bytes_are(stream: list[Frame]) -> None:
    data = encode(stream)
    assert calculator.answer(memoryview(bytearray(data))) == calculator.answer(data)


def test_division_by_zero_ends_the_conversation_after_the_earlier_replies() -> None:
    stream = [Frame(0, 2, 3), Frame(3, 7, 0), Frame(0, 1, 1)]
    assert calculator.answer(encode(stream)) == (struct.pack("<i", 5), calculator.STOP_DIVISION_BY_ZERO)


@pytest.mark.parametrize("oper", [-1, 5, 0x01000000, INT_MIN, INT_MAX])
def test_an_unknown_operation_ends_the_conversation_after_the_earlier_replies(oper: int) -> None:
    stream = [Frame(1, 2, 3), Frame(oper, 1, 1), Frame(0, 1, 1)]
    assert calculator.answer(encode(stream)) == (struct.pack("<i", -1), calculator.STOP_UNKNOWN_OPERATION)


@pytest.mark.parametrize("oper", range(-1, 32))
def test_an_operation_that_is_known_has_a_name(oper: int) -> None:
    frame = Frame(oper, 7, 2).encode()
    is_known = (
        calculator.answer_one(frame) != b"" or calculator.reason(frame) != calculator.STOP_UNKNOWN_OPERATION
    )
    assert is_known == (oper in set(Operation))


def test_quit_has_no_reply_and_what_follows_it_is_not_looked_at() -> None:
    stream = [Frame(2, 6, 7), Frame(4, 0, 0), Frame(3, 1, 0)]
    assert calculator.answer(encode(stream)) == (struct.pack("<i", 42), calculator.STOP_QUIT)


@given(st.integers(0, 1 << 32), any_frames)
@settings(max_examples=20, deadline=None)
def test_a_full_read_of_requests_is_answered_as_one_request_after_another(seed: int, last: Frame) -> None:
    random = Random(seed)  # not hypothesis's own, to which 5,460 frames are too many
    numbers = [INT_MIN, -1, 1, INT_MAX, *(random.randint(INT_MIN, INT_MAX) or 1 for _ in range(100))]
    stream = [Frame(random.randrange(4), random.choice(numbers), random.choice(numbers)) for _ in range(5460)]
    results, stop = expected([*stream, last])
    assert calculator.answer(encode([*stream, last])) == (struct.pack(f"<{len(results)}i", *results), stop)


def test_no_frames_have_no_answers() -> None:
    assert calculator.answer(b"") == (b"", None)


def test_a_request_is_the_bytes_of_the_c_struct_on_x86_64() -> None:
    assert classic.encode_request(Operation.DIV, -2, 258) == bytes.fromhex("03000000 feffffff 02010000")
    assert classic.encode_request(Operation.QUIT) == bytes.fromhex("04000000 00000000 00000000")
    assert calculator.answer(bytes.fromhex("00000000 00010000 feffffff"))[0] == bytes.fromhex("fe000000")


@given(st.sampled_from(Operation), any_int, any_int)
def test_what_a_client_encodes_is_what_the_server_reads(operation: Operation, op1: int, op2: int) -> None:
    assert classic.encode_request(operation, op1, op2) == Frame(operation, op1, op2).encode()


@pytest.mark.parametrize(("op1", "op2"), [(INT_MAX + 1, 0), (0, INT_MIN - 1)])
def test_an_operand_beyond_32_bits_cannot_be_sent(op1: int, op2: int) -> None:
    with pytest.raises(struct.error):
        classic.encode_request(Operation.ADD, op1, op2)
