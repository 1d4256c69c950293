"""The program of a child of the supervisor: this code shows that it could take over
(calcd.supervisor.upgrade.proof)."""

import contextlib
import os
import sys

from calcd.launch import daemonize
from calcd.linux.process_title import Title
from calcd.supervisor.failure import ExitStatus, Failure, system_failure


def main() -> int:
    """The last argument has two file descriptors: the state's, and the pipe's for the answer."""
    daemonize.admit_signals()
    state, answer = map(int, sys.argv[-1].split())
    Title().set(b"calcd: trying an upgrade")
    status, text = ExitStatus.OK, ""
    try:
        _prove(state)
    except Failure as failure:
        status, text = failure.status, str(failure)
    except ImportError as error:
        status, text = ExitStatus.SOFTWARE, f"it is not whole: {error}; install it again"
    except OSError as error:
        refused = system_failure(error)
        status, text = refused.status, str(refused)
    with contextlib.suppress(BrokenPipeError), open(answer, "wb") as pipe:  # nobody waits any more
        pipe.write(bytes([status]) + text.encode(errors="replace"))
    return os.EX_OK


def _prove(file: int) -> None:
    # These are what is tried.
    import calcd.listener.main  # noqa: PLC0415, F401
    from calcd.launch import takeover  # noqa: PLC0415
    from calcd.supervisor.upgrade import state  # noqa: PLC0415

    takeover.understand(state.read(file)).load_settings()
