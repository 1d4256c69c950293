"""What each command of RESP is answered, from its description alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from fuzz.resp_calculations import Calculations
from fuzz.resp_descriptions import Descriptions
from fuzz.resp_replies import Expected, Shaped, TalkError, line_of, number, shown, string
from support.resp_value import Value

INFO = b"# Server\r\nredis_version:7.0.0\r\n\r\n# Clients\r\nconnected_clients:1\r\n\r\n# Stats\r\nx:0\r\n"
ID = 41
PEER = b"192.0.2.1:4321"


class Said(NamedTuple):
    """One command's reply: EXEC's are several pieces."""

    pieces: list[Expected]
    end: int  # the position in the stream behind the command
    errors: list[str]  # the first words of the error replies in it
    is_known: bool


class Connection(Calculations, Descriptions):
    """The state of a connection, and each command as a method do_NAME, of a subcommand do_NAME_SUBCOMMAND."""

    AT_ONCE = ("multi", "exec", "discard", "watch", "quit", "reset")

    def __init__(self) -> None:
        self.library = {"lib-name": b"", "lib-ver": b""}
        self.has_quit = False
        self.do_reset()

    def _mapping(self, *items: bytes) -> bytes:
        head = b"*%d\r\n" % len(items) if self.version == 2 else b"%%%d\r\n" % (len(items) // 2)
        return head + b"".join(items)

    def _null(self) -> bytes:
        return b"$-1\r\n" if self.version == 2 else b"_\r\n"

    def _text(self, text: bytes) -> bytes:
        if self.version == 2:
            return string(text)
        return b"=" + string(b"txt:" + text)[1:]

    # --- What is done with any command

    def say(self, words: list[bytes], end: int) -> Said:
        is_known = True
        pieces: list[Expected] = []
        errors: list[str] = []

        def give(text: str) -> None:
            errors.append(text.split(" ", maxsplit=1)[0])
            pieces.append(line_of(text))

        try:
            name, arguments, is_known = self._find(words)
        except TalkError as error:
            is_known = not str(error).startswith("ERR unknown command")
            if self.queue is not None:
                self.is_spoilt = True
            give(str(error))
            return Said(pieces, end, errors, is_known)
        if self.queue is not None and name not in self.AT_ONCE:
            self._enqueue(name, arguments, words, give, pieces)
            return Said(pieces, end, errors, True)
        waiting = self.queue
        try:
            pieces.append(self._do(name, arguments))
        except TalkError as error:
            give(str(error))
        else:
            for queued, its in (waiting or []) if name == "exec" else []:
                try:
                    pieces.append(self._do(queued, its))
                except TalkError as error:
                    give(str(error))
        return Said(pieces, end, errors, True)

    def _enqueue(
        self,
        name: str,
        arguments: list[bytes],
        words: list[bytes],
        give: Callable[[str], None],
        pieces: list[Expected],
    ) -> None:
        assert self.queue is not None
        if not self.is_spoilt:
            self.queue.append((name, arguments))
            self.queued_bytes += len(b" ".join(words)) + 1
            if len(self.queue) > 10_000 or self.queued_bytes > 1 << 20:
                self.is_spoilt = True
                give("ERR a transaction has at most 10000 commands and 1048576 bytes")
                return
        pieces.append(b"+QUEUED\r\n")

    def _find(self, words: list[bytes]) -> tuple[str, list[bytes], bool]:
        name = words[0].decode("latin-1")
        # Of the ASCII letters alone: "K" has a lower case too.
        lower = words[0].lower().decode("latin-1")
        if lower not in self.ARITIES or " " in lower:
            rest = ""
            for word in words[1:]:
                if len(rest) < 128:
                    rest += f"'{shown(word, 128 - len(rest))}' "
            raise TalkError(f"ERR unknown command '{name[:128]}', with args beginning with: {rest}")
        arguments = words[1:]
        if lower in ("client", "config", "command") and arguments:
            full = f"{lower} {arguments[0].lower().decode('latin-1')}"
            if full not in self.ARITIES:
                raise TalkError(f"ERR unknown subcommand '{shown(arguments[0])}'. Try {lower.upper()} HELP.")
            lower = full
            arguments = arguments[1:]
        least, most = self.ARITIES[lower]
        if not least <= len(arguments) <= most and lower != "ping":
            raise TalkError(f"ERR wrong number of arguments for '{lower.replace(' ', '|')}' command")
        return lower, arguments, True

    def _do(self, name: str, arguments: list[bytes]) -> Expected:
        done: Expected = getattr(self, "do_" + name.replace(" ", "_"))(*arguments)
        return done

    # --- The connection

    def do_ping(self, *words: bytes) -> bytes:
        if len(words) > 1:
            raise TalkError("ERR wrong number of arguments for 'ping' command")
        return string(words[0]) if words else b"+PONG\r\n"

    def do_echo(self, word: bytes) -> bytes:
        return string(word)

    def do_quit(self, *_: bytes) -> bytes:
        self.has_quit = True
        return b"+OK\r\n"

    def do_reset(self) -> bytes:
        self.version = 2
        self.name = b""
        self._end_transaction()
        return b"+RESET\r\n"

    def do_select(self, word: bytes) -> bytes:
        if not re.fullmatch(rb"0|-?[1-9][0-9]*", word) or not -(2**63) <= int(word[:30]) < 2**63:
            raise TalkError("ERR value is not an integer or out of range")
        if word != b"0":
            raise TalkError("ERR DB index is out of range")
        return b"+OK\r\n"

    def do_auth(self, *words: bytes) -> bytes:
        if len(words) == 1:
            raise TalkError(
                "ERR AUTH <password> called without any password configured for the default user. "
                "Are you sure your configuration is correct?"
            )
        if len(words) > 2:
            raise TalkError("ERR syntax error")
        if words[0] != b"default":
            raise TalkError("WRONGPASS invalid username-password pair or user is disabled.")
        return b"+OK\r\n"

    def do_hello(self, *words: bytes) -> bytes:
        version, name, users = self.version, self.name, b"default"
        if words:
            if not re.fullmatch(rb"0|-?[1-9][0-9]*", words[0]) or not -(2**63) <= int(words[0][:30]) < 2**63:
                raise TalkError("ERR Protocol version is not an integer or out of range")
            if words[0] not in (b"2", b"3"):
                raise TalkError("NOPROTO unsupported protocol version")
            version = int(words[0])
        rest = list(words[1:])
        while rest:
            option = rest.pop(0)
            if option.upper() == b"AUTH" and len(rest) >= 2:
                users = rest.pop(0)
                rest.pop(0)
            elif option.upper() == b"SETNAME" and rest:
                name = rest.pop(0)
                self._look_at_name(name, "Client names")
            else:
                raise TalkError(f"ERR Syntax error in HELLO option '{shown(option)}'")
        if users != b"default":
            raise TalkError("WRONGPASS invalid username-password pair or user is disabled.")
        self.version, self.name = version, name
        return self._mapping(
            *map(string, (b"server", b"calcd", b"version", b"7.0.0", b"proto")),
            number(version),
            string(b"id"),
            number(ID),
            *map(string, (b"mode", b"standalone", b"role", b"master", b"modules")),
            b"*0\r\n",
        )

    @staticmethod
    def _look_at_name(name: bytes, what: str) -> None:
        if not re.fullmatch(rb"[!-~]*", name):
            raise TalkError(f"ERR {what} cannot contain spaces, newlines or special characters.")

    def do_client_id(self) -> bytes:
        return number(ID)

    def do_client_getname(self) -> bytes:
        return string(self.name) if self.name else self._null()

    def do_client_setname(self, name: bytes) -> bytes:
        self._look_at_name(name, "Client names")
        self.name = name
        return b"+OK\r\n"

    def do_client_setinfo(self, option: bytes, value: bytes) -> bytes:
        lower = option.lower().decode("latin-1")
        if lower not in self.library:
            raise TalkError(f"ERR Unrecognized option '{shown(option)}'")
        self._look_at_name(value, lower)
        self.library[lower] = value
        return b"+OK\r\n"

    def do_client_info(self) -> Shaped:
        wanted = {
            "id": b"%d" % ID,
            "addr": PEER,
            "laddr": b"",
            "name": self.name,
            "resp": b"%d" % self.version,
            **self.library,
        }

        def is_right(value: Value) -> bool:
            text = value.text.removeprefix(b"txt:") if value.kind == b"=" else value.text
            fields = dict(field.split(b"=", 1) for field in text.removesuffix(b"\n").split(b" "))
            return all(fields[key.encode()] == word for key, word in wanted.items())

        return Shaped(self.version, is_right)

    # --- Transactions

    def _end_transaction(self) -> None:
        self.queue: list[tuple[str, list[bytes]]] | None = None
        self.queued_bytes = 0
        self.is_spoilt = False

    def do_multi(self) -> bytes:
        if self.queue is not None:
            raise TalkError("ERR MULTI calls can not be nested")
        self.queue = []
        return b"+OK\r\n"

    def do_exec(self) -> bytes:
        if self.queue is None:
            raise TalkError("ERR EXEC without MULTI")
        count, is_spoilt = len(self.queue), self.is_spoilt
        self._end_transaction()
        if is_spoilt:
            raise TalkError("EXECABORT Transaction discarded because of previous errors.")
        return b"*%d\r\n" % count

    def do_discard(self) -> bytes:
        if self.queue is None:
            raise TalkError("ERR DISCARD without MULTI")
        self._end_transaction()
        return b"+OK\r\n"

    def do_watch(self, *_: bytes) -> bytes:
        if self.queue is not None:
            raise TalkError("ERR WATCH inside MULTI is not allowed")
        return b"+OK\r\n"

    def do_unwatch(self) -> bytes:
        return b"+OK\r\n"

    # --- The server

    def do_info(self, *names: bytes) -> bytes:
        lower = [name.lower() for name in names]
        if not names or any(name in (b"default", b"all", b"everything") for name in lower):
            return self._text(INFO)
        sections = [part for part in INFO.split(b"\r\n\r\n") if part.split(b"\r\n")[0][2:].lower() in lower]
        text = b"\r\n\r\n".join(part.removesuffix(b"\r\n") for part in sections)
        return self._text(text + b"\r\n" if sections else b"")

    def do_config_get(self, *names: bytes) -> bytes:
        known = {b"save": b"", b"appendonly": b"no", b"databases": b"1"}
        items = []
        for name in names:
            if name.lower() not in known:
                raise TalkError("ERR CONFIG GET knows save, appendonly and databases alone")
            items += [string(name.lower()), string(known[name.lower()])]
        return self._mapping(*items)
