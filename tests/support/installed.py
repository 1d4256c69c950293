"""calcd in a folder of its own, where a test installs other versions while it runs."""

import os
import shutil
from pathlib import Path

from support.daemon import TREE

# The first line of main() of what the supervisor executes in its own place, and of what tries that before.
TAKEOVER = "    file = int(sys.argv[-1])\n"
PROOF = "    daemonize.admit_signals()\n"


class Installed:
    """The package calcd, to be changed."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(TREE / "calcd", folder / "calcd", ignore=ignore)
        self._time = 0

    def change(self, module: str, old: str, new: str) -> None:
        """Replaces a text that occurs once."""
        path = self.tree / "calcd" / module
        text = path.read_text()
        assert text.count(old) == 1, (module, old)
        self.write(module, text.replace(old, new))

    def write(self, module: str, text: str) -> None:
        path = self.tree / "calcd" / module
        path.write_text(text)
        # A text of the same length, written within the same second, would look to Python as if nothing had
        # changed: PEP 3147, "source modification time".
        self._time += 10
        os.utime(path, (self._time, self._time))

    def set_version(self, version: str) -> None:
        path = self.tree / "calcd" / "__init__.py"
        head = path.read_text().partition("__version__")[0]
        self.write("__init__.py", f'{head}__version__ = "{version}"\n')

    def restore(self) -> None:
        """Installs what the tests are run on again."""
        for path in (TREE / "calcd").rglob("*.py"):
            module = str(path.relative_to(TREE / "calcd"))
            if (text := path.read_text()) != (self.tree / "calcd" / module).read_text():
                self.write(module, text)

    def stop_at(self, module: str, line: str) -> None:
        """Has the program stop itself with SIGSTOP before this line."""
        indent = line[: len(line) - len(line.lstrip())]
        self.change(module, line, f"{indent}import os, signal; os.kill(os.getpid(), signal.SIGSTOP)\n{line}")
