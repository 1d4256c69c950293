"""What a handler shares with its listener."""

import platform
import re
from pathlib import Path

from support.daemon import Calcd

from calcd.linux import immortal_objects

COPIES_MORE = "handlers copy more memory than they need to: Python (.*) counts the references to all objects"


def test_a_python_without_immortal_objects_is_named_at_the_level_debug(tmp_path: Path) -> None:
    for level in ("debug", "info"):
        (tmp_path / level).mkdir()
        with Calcd(tmp_path / level, "--log-level", level) as calcd:
            calcd.expected.append(COPIES_MORE)
            named = [found[1] for line in calcd.log() if (found := re.search(COPIES_MORE, line))]
        is_due = level == "debug" and not immortal_objects.are_offered()
        assert named == [platform.python_version()] * is_due
