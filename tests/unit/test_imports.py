"""Who may import what. Each thing the listener's process has loaded is paid for at every fork."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import calcd

PACKAGE = Path(calcd.__file__).parent

# Each folder is one answer to "what happens?"; imports go down this list only. client stands beside it.
FOLDERS = ("launch", "supervisor", "log", "listener", "handler", "protocol", "settings", "linux")
# So do those of the parts within the supervisor.
SUPERVISOR = (
    "loop",
    "upgrade",
    "requests",
    "reload",
    "stopping",
    "health",
    "published",
    "succession",
    "status",
    "memory",
    "held",
    "programs",
    "counts",
    "events",
    "records",
    "failure",
    "sd_notify",
    "dependencies",
    "system_limits",
)

# What each part may import of calcd, besides itself and calcd's version.
MAY_IMPORT: dict[str, set[str]] = {
    "calcd": set(),
    "__main__": {"launch"},
    "client": {"protocol"},
    **{folder: set(FOLDERS[at + 1 :]) for at, folder in enumerate(FOLDERS)},
    "protocol": set(),
    "linux": set(),
}

# What is in a process that forks for each connection.
LEAN = {"calcd", "protocol", "handler", "listener", "linux"}

# threading costs a fork 330 us, random 110 us, asyncio 1,065 us. The others bring one of these in, or are
# slow to load for what they are.
HEAVY = {
    *("asyncio", "concurrent", "dataclasses", "inspect", "logging", "multiprocessing", "pathlib", "queue"),
    *("random", "secrets", "shutil", "socketserver", "subprocess", "tempfile", "threading", "urllib", "uuid"),
    # 0.3 to 2 MB each, and 30 us for a MB at every fork.
    *("collections", "contextlib", "enum", "functools", "json", "re", "selectors", "signal", "socket"),
    "typing",
    # From Python 3.14 on, it brings threading in, by sysconfig.
    "ctypes",
}


def modules() -> dict[str, Path]:
    """Every module of calcd by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("calcd", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def part_of(module: str) -> str:
    """limits for calcd.limits, listener for calcd.listener.main; calcd for the package itself."""
    return module.partition(".")[2].partition(".")[0] or "calcd"


def is_for_types_alone(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(module: str, *, when_run: bool = False) -> Iterator[str]:
    """The dotted names of the modules that a module's source imports, anywhere in it; when_run leaves out
    those that only a type checker sees."""
    tree = ast.parse(MODULES[module].read_bytes())
    if when_run:
        tree.body = [node for node in tree.body if not is_for_types_alone(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} has a relative import: write the full name"
            assert node.module is not None
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


@pytest.mark.parametrize("module", MODULES)
def test_nothing_imports_upwards(module: str) -> None:
    part = part_of(module)
    assert part in MAY_IMPORT, f"say in MAY_IMPORT what calcd.{part} may import"
    imported = {part_of(name) for name in imports(module) if name.split(".")[0] == "calcd"}
    assert imported <= MAY_IMPORT[part] | {part, "calcd"}


def test_one_answer_of_calc_client_loads_nothing_that_takes_long() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import calcd.client.program.main; print(*sys.modules)"
    )
    command = [sys.executable, "-I", "-S", "-c", program, str(PACKAGE.parent)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "calcd.client.program.single" in loaded
    assert not {"asyncio", "dataclasses", "json", "threading", "typing"} & {*loaded}


def test_the_library_of_the_client_does_without_the_program() -> None:
    programs = ("calcd.client.program", "calcd.client.__main__")
    library = [m for m in MODULES if m.startswith("calcd.client") and not m.startswith(programs)]
    assert "calcd.client.resp" in library
    assert not [name for module in library for name in imports(module) if name.startswith(programs)]


# What Python has on Unix alone, or on Linux.
UNIX_MODULES = (
    *("_curses", "curses", "fcntl", "grp", "pty", "pwd"),
    *("readline", "resource", "syslog", "termios", "tty"),
)
UNIX_NAMES = (
    *(f"os.{name}" for name in dir(os) if name.startswith("EX_") and name != "EX_OK"),
    *("os.fork", "os.register_at_fork", "select.epoll", "select.poll"),
    *("signal.SIGHUP", "signal.SIGPIPE", "signal.SIGWINCH", "signal.pthread_sigmask", "signal.setitimer"),
    *("socket.AF_UNIX", "socket.MSG_DONTWAIT", "socket.SO_REUSEPORT"),
)


def test_the_client_imports_nothing_that_macos_or_windows_lack() -> None:
    client = [m for m in MODULES if part_of(m) == "client" and not m.endswith("__main__")]
    lines = [
        "import asyncio, os, select, signal, socket, sys",  # asyncio has other parts on other systems
        f"sys.path.append({str(PACKAGE.parent)!r})",
        *(f"sys.modules[{name!r}] = None" for name in UNIX_MODULES),
        *(f"del {name}" for name in UNIX_NAMES),
        *(f"import {module}" for module in client),
    ]
    command = [sys.executable, "-I", "-S", "-c", "\n".join(lines)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("calcd.supervisor.")])
def test_nothing_imports_upwards_within_the_supervisor(module: str) -> None:
    def level(name: str) -> int:
        return SUPERVISOR.index(name.split(".")[2])

    for name in imports(module):
        if name.startswith("calcd.supervisor."):
            assert level(name) >= level(module), f"{module} imports {name}"


# The client's side of the protocol, what only the child that makes the seccomp filters loads, and what only
# the supervisor does.
NOT_IN_A_FORK = {
    "calcd.protocol.classic",
    "calcd.protocol.foreign",
    "calcd.listener.system_calls",
    "calcd.handler.filter_rehearsal",
    "calcd.linux.capabilities",
}


@pytest.mark.parametrize(
    "module",
    [m for m in (*MODULES, "calcd.settings.limits") if part_of(m) in LEAN and m not in NOT_IN_A_FORK],
)
def test_the_lean_parts_import_nothing_heavy(module: str) -> None:
    assert not HEAVY & {name.split(".")[0] for name in imports(module, when_run=True)}


def test_a_fresh_listener_has_nothing_heavy_loaded() -> None:
    program = (
        f"import sys; sys.path.append({str(PACKAGE.parent)!r}); "
        "import calcd.listener.main; print(*sys.modules)"
    )
    command = [sys.executable, "-I", "-S", "-c", program]  # as the supervisor starts it
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert "calcd.handler.session" in loaded
    # What only a listener with a proxied socket needs.
    proxied = {"calcd.handler.proxied", "calcd.protocol.proxy_header"}
    assert proxied < {*MODULES}
    assert not (HEAVY | NOT_IN_A_FORK | proxied | {"seccomp", "site"}) & loaded
