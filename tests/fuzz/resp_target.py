"""calcd.protocol.resp: any stream, in any pieces, is answered as the model says."""

from collections.abc import Callable, Sequence

from fuzz import inputs, resp_commands, resp_model
from fuzz.counts import Counts
from fuzz.resp_commands import Said
from fuzz.resp_model import Conversation
from support.resp_value import read_value

from calcd.protocol.resp import dialogue as dialogues
from calcd.protocol.resp.dialogue import ERROR_KINDS, OTHER, Dialogue

_ENDINGS = {
    None: 0,
    resp_model.QUIT: dialogues.ENDED_QUIT,
    resp_model.PROTOCOL_ERROR: dialogues.ENDED_PROTOCOL_ERROR,
    resp_model.STRANGER: dialogues.ENDED_STRANGER,
    resp_model.QUOTA: dialogues.ENDED_QUOTA,
}
_KINDS = {word: kind for kind, word in enumerate(ERROR_KINDS)}
# Bytes of a stream that is also sent byte by byte.
_SHORT = 100
# What has some hundred bytes of reply for each byte: it is not repeated for 72 KB.
_LENGTHY = (b"command", b"help", b"info")
# Bytes of replies beyond which a dialogue does not say all of them at once.
_MANY = 256 * 1024


def dialogue(counts: Counts) -> Callable[[bytes], None]:
    subject = Dialogue(lambda: resp_commands.INFO, lambda: resp_commands.ID)

    def target(data: bytes) -> None:
        given = inputs.decode(data)
        if any(word in given.body.lower() for word in _LENGTHY):
            given = given._replace(flags=given.flags & ~inputs.REPEATED)
        quota = inputs.LIMIT if given.flags & inputs.LIMITED else None
        stream = given.stream
        said = resp_model.converse(stream, *[] if quota is None else [quota])
        check(subject, quota, given.pieces(), said)
        check(subject, quota, [stream] if stream else [], said)
        if len(stream) <= _SHORT:
            check(subject, quota, [stream[at : at + 1] for at in range(len(stream))], said)
        counts.add("inputs")
        counts.add("streams")
        counts.add("frames", len(said.said))

    return target


def check(subject: Dialogue, quota: int | None, pieces: Sequence[bytes], expected: Conversation) -> None:
    """The pieces, as they come in, are answered as expected, and counted as they are answered."""
    stream = b"".join(pieces)
    subject.begin(quota, resp_commands.PEER)
    received = []
    begin_of_last = end_of_last = came = 0  # of the piece at which it ends
    for piece in pieces:
        if not subject.ending:
            begin_of_last, end_of_last = came, came + len(piece)
        came += len(piece)
        subject.receive(piece)
        while reply := subject.replies():
            received.append(reply)
    replies = b"".join(received)
    answered, at = _take_answered(replies, expected)
    if expected.ending == resp_model.QUOTA:
        asks_more = expected.said[-1].end < end_of_last
        assert replies[at:] == (resp_model.BEYOND_QUOTA if asks_more else b"")
    else:
        assert replies[at:] == expected.last_words
    if expected.ending == resp_model.STRANGER and len(replies) < _MANY:
        assert answered == [each for each in expected.said if each.end <= begin_of_last]
    assert subject.ending == _ENDINGS[expected.ending]
    if expected.ending == resp_model.PROTOCOL_ERROR:  # as many bytes of it as had come
        assert subject.pending
        assert expected.pending.startswith(subject.pending)
    else:
        assert subject.pending == expected.pending
    assert stream.startswith(subject.first)
    assert subject.ending or len(subject.first) == min(len(stream), 12)
    _check_counts(subject, answered, expected, has_last_words=len(replies) > at)


def _take_answered(replies: bytes, expected: Conversation) -> tuple[list[Said], int]:
    """The commands that have their replies, and where these end."""
    at = 0
    answered: list[Said] = []
    for each in expected.said:
        if at == len(replies) and expected.ending == resp_model.STRANGER:
            break  # what came with a stranger's words has no reply
        at = _compare(replies, at, each)
        answered.append(each)
    return answered, at


def _compare(replies: bytes, at: int, said: Said) -> int:
    """Where the replies to a command end, which begin at a position."""
    for piece in said.pieces:
        if isinstance(piece, bytes):
            assert replies[at : at + len(piece)] == piece
            at += len(piece)
        else:
            value, at = read_value(replies, at, piece.version)
            assert piece.is_right(value)
    return at


def _check_counts(
    subject: Dialogue, answered: list[Said], expected: Conversation, *, has_last_words: bool
) -> None:
    errors = [0] * len(ERROR_KINDS)
    for each in answered:
        for word in each.errors:
            errors[_KINDS.get(word, OTHER)] += 1
    errors[OTHER] += has_last_words
    assert subject.errors == errors
    assert subject.commands == len(answered)
    if expected.ending != resp_model.STRANGER:
        unknown = sum(not each.is_known for each in answered)
        others = len(answered) - unknown - (expected.ending == resp_model.QUIT)
        assert subject.is_stranger == (unknown >= 3 and not others)
