import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import TREE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where calcd keeps its files; what else a test needs is beside it, in tmp_path."""
    folder = tmp_path / "calcd"
    folder.mkdir()
    return folder


@pytest.fixture
def nobodys_folder() -> Iterator[Path]:
    """A folder of the user nobody's, and calcd in it; neither tmp_path nor a tree in root's home would let
    that user in. Only root can give it away."""
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(TREE / "calcd", folder / "calcd", ignore=shutil.ignore_patterns("__pycache__"))
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        folder.chmod(0o755)
        yield folder
