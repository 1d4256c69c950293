"""Checks that the files by which a running calcd is found are in place: pidfile and control socket."""

import os
from collections.abc import Iterable

from calcd.log import messages
from calcd.log.log import Log
from calcd.supervisor.held.control import Control
from calcd.supervisor.held.pidfile import Pidfile


class FilesInPlace:
    def __init__(self, files: Iterable[Pidfile | Control], gone: list[str], log: Log) -> None:
        """gone has the paths of which the log tells already."""
        self._files = [file for file in files if str(file.path) not in gone]
        self._gone = gone
        self._log = log

    def look(self) -> None:
        """Logs each file that is gone, once. It makes no new file, because calcd may have given up the rights
        for that."""
        for file in list(self._files):
            if not _is_in_place(file):
                self._files.remove(file)
                self._gone.append(str(file.path))
                self._log.write(messages.FILE_GONE, path=file.path, pid=os.getpid())


def _is_in_place(file: Pidfile | Control) -> bool:
    try:
        return file.is_in_place()
    except PermissionError:  # calcd's user may not look into the folder, and others may
        return True
    except OSError:  # who looks for it does not find it, either: a loop of symbolic links, a disk that fails
        return False
