"""MULTI, EXEC, DISCARD, WATCH and UNWATCH: the pipelines of the usual clients are transactions by default."""

from __future__ import annotations

from calcd.protocol.resp.errors import CommandError
from calcd.protocol.resp.replies import OK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calcd.protocol.resp.client import Client


def multi(client: Client, _words: list[bytes]) -> bytes:
    if client.transaction.is_open:
        raise CommandError("ERR MULTI calls can not be nested")
    client.transaction.is_open = True
    return OK


def execute(client: Client, _words: list[bytes]) -> bytes:
    """The head of the reply; the replies of the commands that it lets run follow."""
    transaction = client.transaction
    if not transaction.is_open:
        raise CommandError("ERR EXEC without MULTI")
    if transaction.is_aborted:
        transaction.discard()
        raise CommandError("EXECABORT Transaction discarded because of previous errors.")
    return b"*%d\r\n" % transaction.execute()


def discard(client: Client, _words: list[bytes]) -> bytes:
    if not client.transaction.is_open:
        raise CommandError("ERR DISCARD without MULTI")
    client.transaction.discard()
    return OK


def watch(client: Client, _words: list[bytes]) -> bytes:
    """calcd has no keys, so none ever changes."""
    if client.transaction.is_open:
        raise CommandError("ERR WATCH inside MULTI is not allowed")
    return OK


def unwatch(_client: Client, _words: list[bytes]) -> bytes:
    return OK
