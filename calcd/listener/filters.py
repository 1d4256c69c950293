"""Makes the seccomp filters of the listener and the handlers, in a child process.

1.  libseccomp's Python bindings make the filters. In the listener they would stay in memory, and every fork
    would pay for them.
2.  The child is the listener's and not the supervisor's: after an upgrade, the code of a new listener needs
    the system calls that the new code lists.
3.  The child rehearses the filters before they are in force. A handler may die of its filter, because a
    preloaded library makes calls of its own. Then handlers have the listener's filter alone: any other call
    fails, and nobody dies of it. If that filter breaks them too, there is none.
"""

from __future__ import annotations

import os
import sys

from calcd.linux.seccomp import Filter, is_supported, up_to
from calcd.listener import packets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedRandom

    from calcd.handler.sources import Sources
    from calcd.linux.process_title import Title
    from calcd.settings.limits import Limits

_MAX_SIZE = 4096 * 8  # bytes: BPF_MAXINSNS
# No system call has a number beyond: arm's own begin at 0xF0000.
_NUMBERS = 1 << 20


def build(
    title: Title, limits: Limits, sources: Sources, proxies: Sources | None
) -> tuple[Filter, Filter, int, str]:
    """Returns the listener's filter, a handler's filter, what is missing for them, and a system call's name.

    What is missing is a constant of calcd.listener.packets, or 0. The name is that of the call that is the
    reason, if one is. A filter that cannot be had allows every call.

    Raises OSError, and RuntimeError when nothing is missing but the child fails.
    """
    with (
        open(os.memfd_create("listener's filter"), "r+b") as own,
        open(os.memfd_create("handlers' filter"), "r+b") as handlers,
        open(os.memfd_create("name"), "r+b") as name,
    ):
        child = os.fork()
        if child == 0:
            status = os.EX_SOFTWARE
            try:
                status = _make(
                    own, handlers, name, title=title, limits=limits, sources=sources, proxies=proxies
                )
            finally:
                if status == os.EX_SOFTWARE:
                    sys.excepthook(*sys.exc_info())
                os._exit(status)
        _, status = os.waitpid(child, 0)
        missing = os.waitstatus_to_exitcode(status)
        if not 0 <= missing <= packets.BREAKS_BOTH:
            raise RuntimeError(f"the process that makes the seccomp filters failed: {missing}")
        return Filter(_content(own)), Filter(_content(handlers)), missing, _content(name).decode()


def _make(
    own: BufferedRandom,
    handlers: BufferedRandom,
    name: BufferedRandom,
    *,
    title: Title,
    limits: Limits,
    sources: Sources,
    proxies: Sources | None,
) -> int:
    """Runs in the child: writes the filters to the files, and returns what is missing, as build()."""
    import site  # noqa: PLC0415 - too costly for the listener, which runs without it

    from calcd.handler import filter_rehearsal  # noqa: PLC0415 - likewise

    site.main()  # adds the folder of Debian's Python packages
    try:
        from calcd.listener import system_calls  # noqa: PLC0415
    except ImportError as error:
        if error.name != "seccomp":
            raise
        return packets.NO_LIBRARY
    if not is_supported():
        return packets.NO_KERNEL_SUPPORT
    system_calls.compile_listener(own)
    system_calls.compile_handler(handlers, limits.connections_per_handler > 1)
    own_program, handlers_program = _content(own), _content(handlers)

    def works(own: bytes, handlers: bytes) -> bool:
        return filter_rehearsal.succeeds(
            own, handlers, title=title, limits=limits, sources=sources, proxies=proxies
        )

    if works(own_program, handlers_program) or not works(b"", b""):  # then it is not the filters' fault
        return 0
    handlers.truncate(0)
    if works(own_program, b""):
        number = _first_that_fails(lambda call: works(own_program, up_to(call, handlers_program)))
        missing = packets.BREAKS_HANDLERS
    else:
        own.truncate(0)
        number = _first_that_fails(lambda call: works(up_to(call, own_program), b""))
        missing = packets.BREAKS_BOTH
    name.write(system_calls.name_of(number).encode())
    name.flush()
    return missing


def _first_that_fails(works: Callable[[int], bool]) -> int:
    """Of system calls, by a filter of those up to it: the one for which that makes the difference."""
    from bisect import bisect_left  # noqa: PLC0415 - likewise

    return bisect_left(range(_NUMBERS), True, key=lambda call: not works(call))


def _content(file: BufferedRandom) -> bytes:
    return os.pread(file.fileno(), _MAX_SIZE, 0)
