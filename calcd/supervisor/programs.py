"""Runs calcd's own code in another process: the command lines, and the child.

1.  The code comes from the folder that this process has imported calcd from. So whoever starts after an
    upgrade runs the new code.
2.  PYTHONPATH is not used: it would put the folder, perhaps all of dist-packages, before the standard
    library.
3.  No bytecode is written (-B). The umask is 0 (daemon(7)), so everybody could write to a __pycache__ folder
    that is made then, and so to the code.
"""

import itertools
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import calcd

_FOLDER = str(Path(calcd.__file__).parents[1])
_MAIN = "import sys; {find}; from {module} import main; sys.exit(main())"
# calcd is imported from the folder, and finds its own modules there. Libraries that stand beside it, as with
# pip install --target, are looked for there last.
_FIND_FIRST = f"sys.path.insert(0, {_FOLDER!r}); import calcd; sys.path.append(sys.path.pop(0))"
_FIND_LAST = f"sys.path.append({_FOLDER!r})"


def lean(module: str, argument: str) -> list[str]:
    """Returns the command line for the module's main(), in an interpreter that loads nothing by itself."""
    warnings = [f"-W{warning}" for warning in sys.warnoptions]
    return [sys.executable, "-I", "-S", "-B", *warnings, "-c", _program(_FIND_LAST, module), argument]


def alike(module: str, argument: str) -> list[str]:
    """Returns the command line for the module's main(), in an interpreter with the flags of this one."""
    flags = _flags(sys.orig_argv)
    # Without -P, the working directory would come first. sys.flags does not tell: it may have been set by
    # variables of the environment, which are gone.
    flags += [flag for flag in ("-P", "-B") if flag not in flags]
    return [sys.executable, *flags, "-c", _program(_FIND_FIRST, module), argument]


def spawn(command: list[str], environment: Mapping[str, str], passed: Iterable[int]) -> int:
    """Starts a child with these file descriptors, besides the standard streams, and returns its PID. Raises
    OSError.

    It is in a group of its own: an interrupt at the terminal goes only to the supervisor's group. All signals
    are blocked until it is ready for them and unblocks them.
    """
    return os.posix_spawn(
        command[0],
        command,
        environment,
        # A dup2(2) of a file descriptor onto itself keeps it open over the exec, in the child only (glibc
        # 2.29). python-daemon leaves standard streams that lead to /dev/null marked close-on-exec. Then the
        # first file that the child opens would become its standard input.
        file_actions=[(os.POSIX_SPAWN_DUP2, fd, fd) for fd in (0, 1, 2, *passed)],
        setpgroup=0,
        setsigmask=signal.valid_signals(),
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )


def _program(find: str, module: str) -> str:
    return _MAIN.format(find=find, module=module)


def _flags(command: Sequence[str]) -> list[str]:
    """Returns the interpreter's flags in a command line: all before the program, or -m or -c."""
    flags: list[str] = []
    words = iter(command[1:])
    for word in words:
        if not word.startswith("-") or word == "-":
            break
        if word == "--check-hash-based-pycs":
            flags += [word, next(words)]
            continue
        # A word can have several, as -Im, of which the last one may take a value: the rest, or the next word.
        plain = "".join(itertools.takewhile(lambda letter: letter not in "cmWX", word))
        last = word[len(plain) :]
        if last[:1] in ("c", "m"):
            flags += [plain] if plain != "-" else []
            break
        flags += [word, next(words)] if last in ("W", "X") else [word]
    return flags
