import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import TREE
from support.processes import wait_for


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


@pytest.fixture
def network() -> Iterator[list[str]]:
    """A command prefix for a network of the test's own, with an interface wire0 that has no address yet."""
    holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
    inside = ["nsenter", f"--target={holder.pid}", "--net"]
    try:
        wait_for(
            lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != os.readlink("/proc/self/ns/net"), "a network"
        )
        for command in (
            "link set lo up",
            "link add wire0 type veth peer name wire1",
            "link set wire0 up",
            "link set wire1 up",
        ):
            subprocess.run([*inside, "ip", *command.split()], check=True)
        yield inside
    finally:
        holder.communicate()
