"""Answers lines of input, with one line of output for each.

Output line n belongs to input line n: the result, the word "error", or nothing for a blank line or a
comment (#). All lines that have arrived are answered before the next read. So a coprocess can write one line
and then read one line.
"""

from collections.abc import Iterator

from calcd.client.errors import ClientError
from calcd.client.program.evaluation import Evaluation
from calcd.client.program.grammar import MAX_LENGTH, Expression, ExpressionError, parse
from calcd.client.program.reconnecting import ReconnectingClient
from calcd.client.program.streams import complain, read, write
from calcd.client.request import Reply

_CHUNK = 1 << 16  # bytes: the size of a pipe
_MARK = b"\xef\xbb\xbf"  # of the byte order, with which editors begin a file of UTF-8
# A character has at most 4 bytes. What is longer is not kept, however much there is.
_TOO_LONG = 4 * MAX_LENGTH

_NOTHING = Expression([], "")  # of a blank line


def run(client: ReconnectingClient, source: int, sink: int) -> int:
    """Reads lines from the file descriptor source, and answers on the file descriptor sink.

    Returns the number of bad lines. Raises as ReconnectingClient.ask, and OSError if reading or writing
    fails; what was answered before is written.
    """
    number = 1
    bad = 0
    for lines in _lines_as_they_come(source):
        parsed = [_parsed(line) for line in lines]
        evaluation = Evaluation([p for p in parsed if isinstance(p, Expression)])
        try:
            evaluation.run(client.ask)
        finally:
            answers = iter(evaluation.answers())
            replies = [next(answers) if isinstance(p, Expression) else p for p in parsed]
            bad += _report(replies, number, sink)
        number += len(lines)
    return bad


def _parsed(line: str) -> Expression | ClientError:
    stripped = line.strip()
    if not stripped or stripped.startswith("#"):
        return _NOTHING
    try:
        return parse(line)
    except ClientError as error:
        return error


def _report(replies: list[Reply | None], first: int, sink: int) -> int:
    """Writes replies up to the first that is missing, and explains the errors. first is the number of the
    first line. Returns how many errors there are."""
    if None in replies:
        replies = replies[: replies.index(None)]
    bad = 0
    for number, reply in enumerate(replies, first):
        if isinstance(reply, ClientError):
            column = f", column {reply.column + 1}" if isinstance(reply, ExpressionError) else ""
            complain(f"line {number}{column}: {reply}")
            bad += 1
    write(sink, "".join("error\n" if isinstance(r, ClientError) else f"{r}\n" for r in replies).encode())
    return bad


def _lines_as_they_come(source: int) -> Iterator[list[str]]:
    """Yields the whole lines of each read. The last line of the input needs no newline."""
    partial = b""
    chunk = read(source, _CHUNK).removeprefix(_MARK)
    while chunk:
        whole, newline, rest = chunk.rpartition(b"\n")
        if newline:
            yield _text(partial + whole).split("\n")
            partial = rest
        else:
            partial = (partial + rest)[: _TOO_LONG + 1]
        chunk = read(source, _CHUNK)
    if partial:
        yield [_text(partial)]


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")
