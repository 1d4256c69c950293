"""The client's library and program without what macOS and Windows lack."""

import subprocess
import sys
from pathlib import Path

import pytest

import calcd
from calcd.client import AsyncClient, Client

TREE = Path(calcd.__file__).parents[1]

# What Python has on Linux and not there, as far as a client may come near it.
LACKING = {
    "macOS": "import select; del select.epoll",
    "Windows": """
import errno, os, select, signal, socket, sys
del socket.AF_UNIX, select.poll, select.epoll, signal.SIGPIPE, signal.SIGALRM, signal.setitimer, os.fork
for name in [n for n in dir(os) if n.startswith("EX_") and n != "EX_OK"]:
    delattr(os, name)
for name in [n for n in dir(socket) if n.startswith(("MSG_", "SO_SNDTIMEO"))]:
    delattr(socket, name)
for name in ("fcntl", "grp", "pwd", "readline", "resource", "syslog", "termios", "_posixsubprocess"):
    sys.modules[name] = None
""",
}


def run(program: str) -> str:
    command = [sys.executable, "-W", "error", "-c", program]
    ended = subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("system", LACKING)
def test_the_library_is_imported(system: str) -> None:
    assert run(f"{LACKING[system]}\nfrom calcd.client import Client\nprint(Client)") == f"{Client}\n"


@pytest.mark.parametrize("system", LACKING)
def test_the_client_for_asyncio_is_imported(system: str) -> None:
    # asyncio itself looks what its system has, so it comes first.
    program = f"import asyncio\n{LACKING[system]}\nfrom calcd.client import AsyncClient\nprint(AsyncClient)"
    assert run(program) == f"{AsyncClient}\n"


@pytest.mark.parametrize("system", LACKING)
def test_the_program_is_imported(system: str) -> None:
    imports = "from calcd.client.program import main, batch, prompt\nprint('imported')"
    assert run(f"{LACKING[system]}\n{imports}") == "imported\n"


def test_where_there_are_no_unix_sockets_the_library_says_so() -> None:
    program = f"{LACKING['Windows']}\nfrom calcd.client import Client\nClient('unix:/run/calcd.socket')"
    assert run(program).endswith(
        "AddressError: server 'unix:/run/calcd.socket': Python has no Unix sockets on this system: "
        "write HOST:PORT\n"
    )


def test_the_library_does_not_load_asyncio_for_who_does_not_ask_for_it() -> None:
    look = "print('asyncio' in sys.modules)"
    assert run(f"import sys, calcd.client\n{look}\ncalcd.client.AsyncClient\n{look}") == "False\nTrue\n"
