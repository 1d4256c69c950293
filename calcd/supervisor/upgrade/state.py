"""What one supervisor hands to the next: JSON in a sealed file in memory.

1.  A newer calcd hands over to an older one, too. So a field that is added has a default, and older calcds
    leave it out (calcd.supervisor.records). Whoever changes the meaning of a field, or takes one away, raises
    VERSION.
2.  JSON and not pickle, because the next supervisor may run another Python, in which classes are others.
3.  The file is sealed: whoever reads it, reads what was written.
"""

import dataclasses
import json

import calcd
from calcd.linux import sealed_memory
from calcd.log.log import Kept
from calcd.supervisor import records
from calcd.supervisor.failure import ExitStatus, Failure
from calcd.supervisor.held.control import OpenControl
from calcd.supervisor.held.listener_process import OpenListener
from calcd.supervisor.held.pidfile import OpenPidfile
from calcd.supervisor.held.sockets import OpenSockets
from calcd.supervisor.memory import Memory
from calcd.supervisor.records import Fd

VERSION = 1


@dataclasses.dataclass(kw_only=True)
class Page:
    """The memory that listeners and handlers read (calcd.linux.shared_page, of which VERSION includes the
    form)."""

    file: Fd
    for_reading: Fd
    number: int


@dataclasses.dataclass(kw_only=True)
class State:
    version: int = VERSION
    calcd: str = calcd.__version__  # that hands over
    command_line: list[str]  # options, by which the configuration is read again
    settings: dict[str, list[str]]  # in force, by name
    watchdog_interval: float | None
    pidfile: OpenPidfile | None
    control: OpenControl | None
    sockets: OpenSockets
    page: Page
    log: Kept
    alive: list[OpenListener]
    orphaned: list[OpenListener]  # dead, with handlers that still serve
    current: int | None  # the PID of the listener that accepts
    memory: Memory

    def file_descriptors(self) -> list[Fd]:
        return list(records.file_descriptors(State, self))

    def write(self) -> int:
        """Returns the file descriptor of a sealed file with the state. Raises OSError."""
        return sealed_memory.write("calcd's state", json.dumps(records.to_json(self)).encode())


def read(file: int) -> State:
    """Returns the state in a file that write() has made, perhaps of another version. Raises Failure if this
    calcd does not understand it."""
    try:
        given = json.loads(sealed_memory.read(file))
        if not isinstance(given, dict) or given.get("version") != VERSION:
            version = given.get("version") if isinstance(given, dict) else None
            raise ValueError(f"it has version {version}, and this one understands version {VERSION}")
        return records.from_json(State, given)
    except (ValueError, RecursionError) as error:
        raise Failure(
            ExitStatus.SOFTWARE, f"the state of the running calcd is not understood: {error}; restart calcd"
        ) from error
