"""A dialogue in RESP, without a connection."""

from calcd.protocol.resp.dialogue import Dialogue

INFO = b"# Server\r\nredis_version:7.0.0\r\n\r\n# Replication\r\nrole:master\r\n\r\n# Stats\r\nx:0\r\n"
CLIENT_ID = 41


def new_dialogue(quota: int | None = None) -> Dialogue:
    dialogue = Dialogue(lambda: INFO, lambda: CLIENT_ID)
    dialogue.begin(quota, b"192.0.2.1:4321")
    return dialogue


def say(dialogue: Dialogue, *pieces: bytes) -> bytes:
    """The replies to pieces that come one after the other."""
    said = []
    for piece in pieces:
        dialogue.receive(piece)
        while replies := dialogue.replies():
            said.append(replies)
    return b"".join(said)
