"""The files by which a running calcd is found: the pidfile and the control socket."""

import contextlib
import os
from collections.abc import Iterable

from calcd.log import messages
from calcd.log.log import Log
from calcd.supervisor.held.control import Control
from calcd.supervisor.held.pidfile import Pidfile


class FilesInPlace:
    def __init__(self, files: Iterable[Pidfile | Control], log: Log) -> None:
        self._files = list(files)
        self._log = log

    def look(self) -> None:
        """Says once of each that it is gone. To make it anew might take rights that calcd has given up."""
        for file in list(self._files):
            with contextlib.suppress(PermissionError):  # a folder that its user may not look into
                if not file.is_in_place():
                    self._files.remove(file)
                    self._log.write(messages.FILE_GONE, path=file.path, pid=os.getpid())
