"""Which user calcd becomes. Only root can: for others these tests see that calcd says so."""

import grp
import os
import pwd
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from support.daemon import TREE, Calcd, ask
from support.processes import Process

from calcd.protocol.classic import Operation


class Ids(NamedTuple):
    uid: int
    gid: int


NOBODY = Ids(*pwd.getpwnam("nobody")[2:4])
DAEMON = grp.getgrnam("daemon").gr_gid
STRANGER = 54321  # has no entry in /etc/passwd
# What a caller may happen to have, and calcd should not keep.
MORE_GROUPS = ("setpriv", "--groups=0,1,4,20")


def numbers(process: Process, field: str) -> list[int]:
    """Of Uid and Gid: real, effective, saved, file system; of Groups, the supplementary ones, sorted."""
    return [int(number) for number in process.status(field).split()]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (("--user", "nobody"), (*NOBODY, os.getgrouplist("nobody", NOBODY.gid))),
        (("--user", str(NOBODY.uid)), (*NOBODY, os.getgrouplist("nobody", NOBODY.gid))),
        (("--user", "nobody", "--group", "daemon"), (NOBODY.uid, DAEMON, os.getgrouplist("nobody", DAEMON))),
        (("--user", str(STRANGER)), (STRANGER, STRANGER, [STRANGER])),
        (("--group", "daemon"), (0, DAEMON, [DAEMON])),
    ],
    ids=["name", "number", "user and group", "number without a name", "group"],
)
def test_all_of_calcd_is_that_user_and_in_no_other_group(
    tmp_path: Path, request: pytest.FixtureRequest, options: Sequence[str], ids: tuple[int, int, list[int]]
) -> None:
    uid, gid, groups = ids
    if os.geteuid():
        assert Calcd(tmp_path, *options, "--user", "root").start().returncode == 77
        return
    folder = request.getfixturevalue("nobodys_folder")
    (folder / "run").mkdir()
    os.chown(folder / "run", uid, gid)
    with (
        Calcd(folder / "run", *options, prefix=MORE_GROUPS, tree=folder) as calcd,
        calcd.connect() as connection,
    ):
        assert ask(connection, Operation.ADD, 20, 22) == 42
        (handler,) = calcd.handlers
        for process in (calcd.supervisor, calcd.listener, handler):
            assert numbers(process, "Uid") == [uid] * 4, process
            assert numbers(process, "Gid") == [gid] * 4, process
            assert numbers(process, "Groups") == sorted(groups), process
        assert calcd.pidfile.stat().st_uid == uid
        assert calcd.reload().returncode == 0


def test_a_folder_that_is_made_for_the_pidfile_is_that_users(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    user = "root" if os.geteuid() else "nobody"
    folder = tmp_path if os.geteuid() else request.getfixturevalue("nobodys_folder")
    (folder / "files").mkdir()
    run = folder / "run"
    calcd = Calcd(
        folder / "files",
        "--user",
        user,
        pidfile=run / "calcd.pid",
        tree=TREE if os.geteuid() else folder,
    )
    if os.geteuid():
        assert calcd.start().returncode == 77
        assert not (run / "calcd.pid").exists()
        return
    with calcd:
        assert run.stat().st_uid == NOBODY.uid
    assert list(run.iterdir()) == []


def test_files_in_a_folder_that_only_root_may_write(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Such as /run: that user cannot remove them, and they do not hinder the next start."""
    if os.geteuid():
        assert Calcd(tmp_path, "--user", "root").start().returncode == 77
        assert sorted(os.listdir(tmp_path)) == ["calcd.conf", "log"]
        return
    folder = request.getfixturevalue("nobodys_folder")
    run = folder / "run"
    run.mkdir()
    for _ in range(2):
        with Calcd(run, "--user", "nobody", listen=[f"unix:{run}/socket"], tree=folder) as calcd:
            assert numbers(calcd.supervisor, "Uid") == [NOBODY.uid] * 4
            assert calcd.pidfile.read_text() == f"{calcd.supervisor.pid}\n"
            assert calcd.reload().returncode == 0
            calcd.signal(signal.SIGTERM)
            calcd.wait_until_gone()
            assert calcd.pidfile.read_text() == ""
