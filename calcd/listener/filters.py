"""The seccomp filters of listener and handlers, made by a child process.

What makes them, libseccomp's Python bindings, would stay in the listener's memory and be paid for at every
fork. A child of the listener makes them, not the supervisor: after an upgrade, a new listener's code
needs the calls that the new code lists.
"""

import os
import sys

from calcd.linux.seccomp import Filter, is_supported
from calcd.listener import packets

_MAX_SIZE = 4096 * 8  # bytes: BPF_MAXINSNS


def build(handlers_are_reused: bool) -> tuple[Filter, Filter, int]:
    """The listener's, a handler's, and what is missing for them: one of calcd.listener.events, or 0.
    Where something is, the filters let everything through.

    Raises OSError, and RuntimeError when they cannot be made though nothing is missing.
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
    """In the child: writes the programs into these files; returns what is missing for them."""
    import site  # noqa: PLC0415 - the listener runs without, because of what it costs

    site.main()  # adds the folder of Debian's packages
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
