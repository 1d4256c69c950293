"""The library on systems that lack what Linux has: tests/unit/test_imports.py imports it as there."""

import subprocess
import sys
from pathlib import Path

import calcd

TREE = Path(calcd.__file__).parents[1]


def run(program: str) -> str:
    command = [sys.executable, "-W", "error", "-c", program]
    ended = subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr


def test_where_there_are_no_unix_sockets_the_library_says_so() -> None:
    program = "import socket; del socket.AF_UNIX; import calcd.client; calcd.client.Client('unix:/run/calcd')"
    assert run(program).endswith(
        "AddressError: server 'unix:/run/calcd': Python has no Unix sockets on this system: write HOST:PORT\n"
    )


def test_asyncio_is_not_loaded_for_who_does_not_ask_for_it() -> None:
    look = "print('asyncio' in sys.modules)"
    assert run(f"import sys, calcd.client\n{look}\ncalcd.client.AsyncClient\n{look}") == "False\nTrue\n"
