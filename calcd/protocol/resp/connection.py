"""What a client says of itself and its connection: PING, ECHO, HELLO, AUTH, SELECT, RESET, QUIT, CLIENT."""

from __future__ import annotations

from calcd.protocol.resp.errors import CommandError, shown, wrong_number
from calcd.protocol.resp.numbers import redis_integer
from calcd.protocol.resp.replies import OK, array, bulk, integer, mapping, null, simple, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calcd.protocol.resp.client import Client

# Clients switch features on and off by it: digits and dots alone, and a version of Redis that knows HELLO.
REDIS_VERSION = b"7.0.0"
_USER = b"default"


def ping(_client: Client, words: list[bytes]) -> bytes:
    if len(words) > 2:
        raise wrong_number("ping")
    return bulk(words[1]) if len(words) == 2 else b"+PONG\r\n"


def echo(_client: Client, words: list[bytes]) -> bytes:
    return bulk(words[1])


def auth(_client: Client, words: list[bytes]) -> bytes:
    if len(words) > 3:
        raise CommandError("ERR syntax error")
    if len(words) == 2:
        raise CommandError(
            "ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?"
        )
    _authenticate(words[1])
    return OK


def _authenticate(user: bytes) -> None:
    """The default user has no password, and takes any, as in Redis. There is no other."""
    if user != _USER:
        raise CommandError("WRONGPASS invalid username-password pair or user is disabled.")


def select(_client: Client, words: list[bytes]) -> bytes:
    index = redis_integer(words[1])
    if index is None:
        raise CommandError("ERR value is not an integer or out of range")
    if index:
        raise CommandError("ERR DB index is out of range")
    return OK


def reset(client: Client, _words: list[bytes]) -> bytes:
    client.reset()
    return simple("RESET")


def quit_(client: Client, _words: list[bytes]) -> bytes:
    client.has_quit = True
    return OK


def hello(client: Client, words: list[bytes]) -> bytes:
    """Nothing changes unless all options are right."""
    version = client.version
    if len(words) > 1:
        wanted = redis_integer(words[1])
        if wanted is None:
            raise CommandError("ERR Protocol version is not an integer or out of range")
        if wanted not in (2, 3):
            raise CommandError("NOPROTO unsupported protocol version")
        version = wanted
    user, name = _USER, client.name
    at = 2
    while at < len(words):
        option = words[at].lower()
        if option == b"auth" and at + 2 < len(words):
            user = words[at + 1]
            at += 3
        elif option == b"setname" and at + 1 < len(words):
            name = _checked_name(words[at + 1])
            at += 2
        else:
            raise CommandError(f"ERR Syntax error in HELLO option '{shown(words[at])}'")
    _authenticate(user)
    client.version = version
    client.name = name
    return mapping(
        version,
        [
            *(bulk(b"server"), bulk(b"calcd")),
            *(bulk(b"version"), bulk(REDIS_VERSION)),
            *(bulk(b"proto"), integer(version)),
            *(bulk(b"id"), integer(client.id)),
            *(bulk(b"mode"), bulk(b"standalone")),
            *(bulk(b"role"), bulk(b"master")),
            *(bulk(b"modules"), array([])),
        ],
    )


def _is_printable(name: bytes) -> bool:
    return all(0x20 < byte < 0x7F for byte in name)


def _checked_name(name: bytes) -> bytes:
    if not _is_printable(name):
        raise CommandError("ERR Client names cannot contain spaces, newlines or special characters.")
    return name


def client_id(client: Client, _words: list[bytes]) -> bytes:
    return integer(client.id)


def client_getname(client: Client, _words: list[bytes]) -> bytes:
    return bulk(client.name) if client.name else null(client.version)


def client_setname(client: Client, words: list[bytes]) -> bytes:
    client.name = _checked_name(words[2])
    return OK


def client_setinfo(client: Client, words: list[bytes]) -> bytes:
    option = words[2].lower()
    if option not in client.library:
        raise CommandError(f"ERR Unrecognized option '{shown(words[2])}'")
    if not _is_printable(words[3]):
        raise CommandError(f"ERR {option.decode()} cannot contain spaces, newlines or special characters.")
    client.library[option] = words[3]
    return OK


def client_info(client: Client, _words: list[bytes]) -> bytes:
    """All fields of Redis's, because redis-py wants them: zeros where calcd has nothing."""
    return text(
        client.version,
        b"id=%d addr=%b laddr= fd=0 name=%b age=0 idle=0 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 "
        b"qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r "
        b"cmd=client|info user=default redir=-1 resp=%d lib-name=%b lib-ver=%b\n"
        % (
            client.id,
            client.peer,
            client.name,
            client.version,
            client.library[b"lib-name"],
            client.library[b"lib-ver"],
        ),
    )
