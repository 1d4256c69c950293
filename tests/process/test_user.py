"""Which user calcd becomes. Only root can: for others these tests see that calcd says so."""

import grp
import os
import pwd
import re
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from support.daemon import TREE, Calcd, ask
from support.processes import Process
from support.system_calls import BECOME_ROOT, EPERM, KILLED, Injector

from calcd.protocol.classic import Operation


class Ids(NamedTuple):
    uid: int
    gid: int


NOBODY = Ids(*pwd.getpwnam("nobody")[2:4])
DAEMON = grp.getgrnam("daemon").gr_gid
STRANGER = 54321  # has no entry in /etc/passwd
# What a caller may happen to have, and calcd should not keep. setresuid(2) leaves the capabilities.
MORE_RIGHTS = ("setpriv", "--groups=0,1,4,20", "--inh-caps=+chown,+kill")
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")  # capabilities(7)
STAYS_ROOT = "calcd stays root, because it was started as root without User=: .*"
NONE = dict.fromkeys(CAPABILITIES, "0" * 16)


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
        Calcd(folder / "run", *options, prefix=MORE_RIGHTS, tree=folder) as calcd,
        calcd.connect() as connection,
    ):
        assert ask(connection, Operation.ADD, 20, 22) == 42
        (handler,) = calcd.handlers
        for process in (calcd.supervisor, calcd.listener, handler):
            assert numbers(process, "Uid") == [uid] * 4, process
            assert numbers(process, "Gid") == [gid] * 4, process
            assert numbers(process, "Groups") == sorted(groups), process
            if uid != 0:
                assert {name: process.status(name) for name in CAPABILITIES} == NONE, process
        assert calcd.pidfile.stat().st_uid == uid
        assert calcd.reload().returncode == 0


def test_capabilities_of_a_caller_who_is_not_root_do_not_stay(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Such as systemd's AmbientCapabilities=, for a port below 1024."""
    if os.geteuid():  # has none
        with Calcd(tmp_path) as calcd:
            assert calcd.supervisor.status("CapPrm") == NONE["CapPrm"]
        return
    folder = request.getfixturevalue("nobodys_folder")
    (folder / "run").mkdir()
    os.chown(folder / "run", *NOBODY)
    as_nobody = ("setpriv", f"--reuid={NOBODY.uid}", f"--regid={NOBODY.gid}", "--clear-groups")
    bind = ("--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service")
    with (
        Calcd(
            folder / "run", "--user", "", listen=["127.0.0.1:0"], prefix=(*as_nobody, *bind), tree=folder
        ) as calcd,
        calcd.connect() as connection,
    ):
        assert ask(connection, Operation.ADD, 20, 22) == 42
        (handler,) = calcd.handlers
        for process in (calcd.supervisor, calcd.listener, handler):
            assert numbers(process, "Uid") == [NOBODY.uid] * 4, process
            for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                assert process.status(name) == NONE[name], process


def as_nobody(folder: Path, request: pytest.FixtureRequest) -> tuple[list[str], Path, Path]:
    """The options of a calcd that becomes nobody, its folder, and its tree; the caller's own, who is not
    root."""
    if os.geteuid():
        return [], folder, TREE
    tree: Path = request.getfixturevalue("nobodys_folder")
    run = tree / "run"
    run.mkdir()
    os.chown(run, *NOBODY)
    return ["--user", "nobody"], run, tree


def test_no_process_of_it_can_become_root_again(
    tmp_path: Path, folder: Path, request: pytest.FixtureRequest
) -> None:
    inject = Injector(tmp_path)
    options, run, tree = as_nobody(folder, request)
    with Calcd(run, *options, tree=tree) as calcd, calcd.connect() as connection:
        calcd.expected.append(r"connection 1 .* died: killed by signal 31 \(SIGSYS\): .*")
        assert ask(connection, Operation.ADD, 20, 22) == 42
        (handler,) = calcd.handlers
        assert inject(calcd.supervisor, BECOME_ROOT) == EPERM
        assert inject(calcd.listener, BECOME_ROOT) == EPERM
        assert inject(handler, BECOME_ROOT) == KILLED


def test_a_configuration_that_its_user_may_not_look_at_any_more_ends_no_reload(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    options, run, tree = as_nobody(folder, request)
    hidden = run.with_name("hidden")
    hidden.mkdir(0o700)
    config = hidden / "calcd.conf"
    config.write_text("[calcd]\n")
    with Calcd(run, *options, f"--config={config}", tree=tree) as calcd:
        hidden.chmod(0)
        calcd.expected.append(f"reload failed, .*: {config}: cannot be read: Permission denied; .*")
        calcd.signal(signal.SIGHUP)
        calcd.wait_for_log(calcd.expected[-1])
        with calcd.connect() as connection:
            assert ask(connection, Operation.ADD, 1, 2) == 3
    hidden.chmod(0o700)


def test_who_stays_root_without_having_asked_for_it_is_told_once(tmp_path: Path) -> None:
    with Calcd(tmp_path, "--user", "") as calcd:
        calcd.expected.append(STAYS_ROOT)
        assert calcd.reload().returncode == 0
        warnings = [line for line in calcd.log() if re.fullmatch(STAYS_ROOT, line)]
        assert len(warnings) == (1 if os.geteuid() == 0 else 0)


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
