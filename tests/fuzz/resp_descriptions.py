"""What describes RESP's commands, as the model knows it: by its shape."""

from __future__ import annotations

import math

from fuzz.resp_replies import Expected, Shaped, TalkError, number
from support.resp_value import Value


class Descriptions:
    """The commands that there are, and those among them that describe the others."""

    # How many arguments there may be: the least, the most.
    ARITIES: dict[str, tuple[int, float]] = {  # noqa: RUF012
        "add": (2, math.inf),
        "mul": (2, math.inf),
        "sub": (2, 2),
        "div": (2, 2),
        "ping": (0, 1),
        "echo": (1, 1),
        "hello": (0, math.inf),
        "auth": (1, math.inf),
        "select": (1, 1),
        "reset": (0, 0),
        "quit": (0, math.inf),
        "multi": (0, 0),
        "exec": (0, 0),
        "discard": (0, 0),
        "watch": (1, math.inf),
        "unwatch": (0, 0),
        "info": (0, math.inf),
        "help": (0, math.inf),
        "client": (1, math.inf),
        "config": (1, math.inf),
        "command": (0, math.inf),
        "client id": (0, 0),
        "client getname": (0, 0),
        "client setname": (1, 1),
        "client setinfo": (2, 2),
        "client info": (0, 0),
        "client help": (0, 0),
        "config get": (1, math.inf),
        "config help": (0, 0),
        "command count": (0, 0),
        "command info": (0, math.inf),
        "command docs": (0, math.inf),
        "command list": (0, math.inf),
        "command help": (0, 0),
    }
    version = 2

    def _names(self) -> list[str]:
        return [name for name in self.ARITIES if " " not in name]

    def _named(self, word: bytes) -> str | None:
        name = word.lower().decode("latin-1").replace("|", " ", 1)
        is_plain = " " not in word.decode("latin-1")
        return name.removesuffix(" ") if is_plain and name.removesuffix(" ") in self.ARITIES else None

    def _lines(self) -> Shaped:
        return Shaped(
            self.version, lambda value: value.kind == b"*" and all(v.kind == b"+" for v in value.items)
        )

    def do_help(self, *names: bytes) -> Expected:
        if len(names) > 1 or (names and self._named(names[0]) is None):
            raise TalkError("ERR HELP takes the name of one command, or nothing")
        return self._lines()

    def do_client_help(self) -> Shaped:
        return self._lines()

    do_config_help = do_command_help = do_client_help

    def do_command_count(self) -> bytes:
        return number(len(self._names()))

    def do_command(self) -> Shaped:
        return self.do_command_info()

    def do_command_info(self, *names: bytes) -> Shaped:
        wanted = [self._named(name) for name in names] if names else list(self._names())

        def is_right(value: Value) -> bool:
            for name, item in zip(wanted, value.items, strict=True):
                if name is None:
                    assert item.kind == b"_"
                    continue
                assert len(item.items) == 10
                assert item.items[1].kind == b":"
                assert names == () or item.items[0] == Value(b"$", name.replace(" ", "|").encode())
            return True

        return Shaped(self.version, is_right)

    def do_command_docs(self, *names: bytes) -> Shaped:
        wanted = list(filter(None, map(self._named, names))) if names else self._names()

        def is_right(value: Value) -> bool:
            described = [item.text for item in value.items[::2]]
            return sorted(described) == sorted(name.replace(" ", "|").encode() for name in wanted)

        return Shaped(self.version, is_right)

    def do_command_list(self, *words: bytes) -> Shaped:
        if words:
            raise TalkError("ERR syntax error")
        wanted = {Value(b"$", name.encode()) for name in self._names()}
        return Shaped(
            self.version,
            lambda value: sorted(value.items) == sorted(wanted),
        )
