"""Answers as JSON, an object on each line.

A result is a string: JSON's numbers have no limit, but most programs that read them keep 53 bits.
"""

import json

from calcd.client.errors import ClientError
from calcd.client.program.exit_status import of_error
from calcd.client.program.grammar import ExpressionError
from calcd.client.request import Reply


def answer(file: str, number: int, line: str, reply: Reply) -> str:
    """The line of output for a line of input. file is "" where only one input is possible."""
    told: dict[str, object] = {"file": _text(file)} if file else {}
    told |= {"line": number, "input": _text(line.removesuffix("\r"))}
    if isinstance(reply, ClientError):
        error: dict[str, int | str] = {"status": of_error(reply), "message": str(reply)}
        if isinstance(reply, ExpressionError):
            error["column"] = reply.column + 1
        told["error"] = error
    else:
        told["result"] = reply or None  # of a blank line
    return json.dumps(told) + "\n"


def _text(words: str) -> str:
    """With U+FFFD in place of bytes that are no UTF-8, for which JSON has nothing."""
    return words.encode(errors="surrogateescape").decode(errors="replace")
