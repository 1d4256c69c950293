"""Makes the seccomp filters of the listener and the handlers, in a child process.

1.  libseccomp's Python bindings make the filters. In the listener they would stay in memory, and every fork
    would pay for them.
2.  The child is the listener's and not the supervisor's: after an upgrade, the code of a new listener needs
    the system calls that the new code lists.
"""

import os
import sys

from calcd.linux.seccomp import Filter, is_supported
from calcd.listener import packets

_MAX_SIZE = 4096 * 8  # bytes: BPF_MAXINSNS


def build(handlers_are_reused: bool) -> tuple[Filter, Filter, int]:
    """Returns the listener's filter, a handler's filter, and what is missing to make them.

    The last is packets.NO_LIBRARY, packets.NO_KERNEL_SUPPORT, or 0 when nothing is missing. If something is
    missing, both filters allow every call.

    Raises OSError, and RuntimeError when nothing is missing but the child fails.
    """
    files = os.memfd_create("listener's filter"), os.memfd_create("handlers' filter")
    child = os.fork()
    if child == 0:
        status = os.EX_SOFTWARE
        try:
            status = _compile(*files, handlers_are_reused)
        finally:
            if status == os.EX_SOFTWARE:
                sys.excepthook(*sys.exc_info())
            os._exit(status)
    _, status = os.waitpid(child, 0)
    missing = os.waitstatus_to_exitcode(status)
    if missing not in (0, packets.NO_LIBRARY, packets.NO_KERNEL_SUPPORT):
        raise RuntimeError(f"the process that makes the seccomp filters failed: {missing}")
    own, handlers = (Filter(os.pread(file, _MAX_SIZE, 0)) for file in files)
    for file in files:
        os.close(file)
    return own, handlers, missing


def _compile(own: int, handlers: int, handlers_are_reused: bool) -> int:
    """Runs in the child: writes the filters to the two files, and returns what is missing, as build()."""
    import site  # noqa: PLC0415 - too costly for the listener, which runs without it

    site.main()  # adds the folder of Debian's Python packages
    try:
        from calcd.listener import system_calls  # noqa: PLC0415
    except ImportError as error:
        if error.name != "seccomp":
            raise
        return packets.NO_LIBRARY
    if not is_supported():
        return packets.NO_KERNEL_SUPPORT
    with open(own, "wb", closefd=False) as file:
        system_calls.compile_listener(file)
    with open(handlers, "wb", closefd=False) as file:
        system_calls.compile_handler(file, handlers_are_reused)
    return 0
