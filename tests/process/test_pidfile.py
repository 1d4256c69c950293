"""The pidfile: whose calcd runs, and that it is one."""

import fcntl
import os
import re
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from support.addresses import own_address
from support.daemon import WITHOUT_RIGHTS, Calcd, ask
from support.processes import of_session, wait_for

from calcd.protocol.classic import Operation

GONE = ".* has been removed or replaced: .*"


def serves(calcd: Calcd) -> bool:
    with calcd.connect() as connection:
        return ask(connection, Operation.ADD, 20, 22) == 42


def refusal(calcd: Calcd, status: int) -> str:
    """What calcd says when it does not start."""
    assert calcd.start().returncode == status, calcd.log()
    (message,) = calcd.log()
    return message


def wait_for_end(session: int) -> None:
    wait_for(lambda: not of_session(session), f"the end of {of_session(session)}")


def test_it_holds_the_supervisors_pid_and_nothing_else(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        assert calcd.pidfile.read_bytes() == b"%d\n" % calcd.supervisor.pid
        assert calcd.listener.parent == calcd.supervisor.pid


def test_everybody_can_read_it_whatever_the_callers_umask(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    umask = ("sh", "-c", 'umask 077; exec "$@"', "sh")
    with Calcd(tmp_path, pidfile=folder / "calcd.pid", prefix=umask) as calcd:
        assert stat.filemode(calcd.pidfile.stat().st_mode) == "-rw-r--r--"
        assert stat.filemode(folder.stat().st_mode) == "drwxr-xr-x"
        calcd.signal(signal.SIGTERM)


def test_it_is_complete_and_locked_when_the_command_returns(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd, calcd.pidfile.open() as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert file.read() == f"{calcd.supervisor.pid}\n"


@pytest.mark.parametrize("left_behind", ["", "\n", "calcd\n", "-1\n", "9" * 10_000, "\0" * 512, "1\n2\n"])
def test_what_was_left_behind_in_it_does_not_matter(tmp_path: Path, left_behind: str) -> None:
    calcd = Calcd(tmp_path)
    calcd.pidfile.write_text(left_behind)
    with calcd:
        assert calcd.pidfile.read_text() == f"{calcd.supervisor.pid}\n"


def test_the_pid_of_a_process_that_is_gone_does_not_matter(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    calcd = Calcd(tmp_path)
    calcd.pidfile.write_text(f"{gone.pid}\n")
    with calcd:
        assert serves(calcd)


def test_a_pid_that_somebody_else_has_by_now_does_not_matter(tmp_path: Path) -> None:
    """It came round again, after a power cut, say; the one who has it is left alone."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as stranger:
        calcd = Calcd(tmp_path)
        calcd.pidfile.write_text(f"{stranger.pid}\n")
        with calcd:
            assert serves(calcd)
        assert stranger.poll() is None


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious\n")
    calcd = Calcd(tmp_path)
    calcd.pidfile.symlink_to(target)
    assert refusal(calcd, 73) == (
        f"calcd: pidfile {calcd.pidfile} is a symbolic link, which is not followed: remove it"
    )
    assert calcd.pidfile.is_symlink()
    assert target.read_text() == "precious\n"


def test_a_symbolic_link_to_nothing_creates_nothing(tmp_path: Path) -> None:
    calcd = Calcd(tmp_path)
    calcd.pidfile.symlink_to(tmp_path / "target")
    assert "is a symbolic link" in refusal(calcd, 73)
    assert not (tmp_path / "target").exists()


def test_a_file_with_a_second_name_is_not_written(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious\n")
    calcd = Calcd(tmp_path)
    calcd.pidfile.hardlink_to(target)
    assert refusal(calcd, 73) == (
        f"calcd: pidfile {calcd.pidfile} is not an ordinary file with one name: remove it, or give another "
        "with --pidfile"
    )
    assert target.read_text() == "precious\n"


def test_a_pipe_in_its_place_is_refused(tmp_path: Path) -> None:
    """And nobody waits for the other end of it."""
    calcd = Calcd(tmp_path)
    os.mkfifo(calcd.pidfile)
    assert "is not an ordinary file with one name" in refusal(calcd, 73)
    assert calcd.pidfile.is_fifo()


def test_a_directory_in_its_place_is_refused(tmp_path: Path) -> None:
    calcd = Calcd(tmp_path)
    calcd.pidfile.mkdir()
    assert refusal(calcd, 73).startswith(f"calcd: pidfile {calcd.pidfile}: Is a directory: ")
    assert calcd.pidfile.is_dir()


def test_a_socket_in_its_place_is_refused(tmp_path: Path) -> None:
    calcd = Calcd(tmp_path)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(calcd.pidfile))
    assert refusal(calcd, 73).startswith(f"calcd: pidfile {calcd.pidfile}: ")
    assert calcd.pidfile.is_socket()


def test_its_folder_is_made(tmp_path: Path) -> None:
    """/run is empty after a boot."""
    with Calcd(tmp_path, pidfile=tmp_path / "run" / "calcd.pid") as calcd:
        assert serves(calcd)
        calcd.signal(signal.SIGTERM)
        calcd.wait_until_gone()
        assert list((tmp_path / "run").iterdir()) == []


def test_more_than_its_folder_is_not_made(tmp_path: Path) -> None:
    calcd = Calcd(tmp_path, pidfile=tmp_path / "missing" / "run" / "calcd.pid")
    assert refusal(calcd, 73) == (
        f"calcd: pidfile {calcd.pidfile}: No such file or directory: make room or the folder for it, or give "
        "another with --pidfile"
    )
    assert not (tmp_path / "missing").exists()


def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o555)
    calcd = Calcd(tmp_path, pidfile=folder / "calcd.pid", prefix=WITHOUT_RIGHTS)
    assert refusal(calcd, 77) == (
        f"calcd: pidfile {calcd.pidfile}: Permission denied: start calcd as root, or give another with "
        "--pidfile"
    )


def test_a_second_calcd_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with Calcd(tmp_path / "first") as first:
        second = Calcd(tmp_path / "second", pidfile=first.pidfile)
        assert refusal(second, 75) == (
            f"calcd: calcd is running already: pidfile {first.pidfile} is held by PID "
            f"{first.supervisor.pid}; stop that one first, or give this one another --pidfile and --listen"
        )
        assert serves(first)
        assert first.pidfile.read_text() == f"{first.supervisor.pid}\n"
        assert first.reload().returncode == 0


def test_a_stop_is_clean_although_it_was_removed(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.expected.append(GONE)
        calcd.pidfile.unlink()


def test_a_stop_leaves_another_file_that_has_taken_its_place(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        another = tmp_path / "another"
        another.write_text("another's\n")
        calcd.expected.append(GONE)
        another.rename(calcd.pidfile)
        calcd.signal(signal.SIGTERM)
        calcd.wait_until_gone()
        assert calcd.pidfile.read_text() == "another's\n"


def test_a_folder_that_cannot_be_looked_into_is_told_of_once_and_calcd_serves_on(tmp_path: Path) -> None:
    """Its name is a symbolic link to itself by then: ELOOP of lstat(2)."""
    run = tmp_path / "run"
    with Calcd(tmp_path, pidfile=run / "calcd.pid") as calcd:
        calcd.expected.append(GONE)
        run.rename(tmp_path / "away")
        run.symlink_to(run)
        gone = calcd.wait_for_log(GONE, times=2)
        assert [line[0].partition(" ")[0] for line in gone] == [
            str(calcd.pidfile),
            f"{calcd.pidfile}.control",
        ]
        assert serves(calcd)
        calcd.signal(signal.SIGHUP)
        calcd.wait_for_log("reloaded: .*")
        assert len(calcd.wait_for_log(GONE)) == 2
        calcd.signal(signal.SIGTERM)


def test_a_stop_is_clean_although_its_folder_may_not_be_written_any_more(tmp_path: Path) -> None:
    """The file that stays behind is empty: no PID in it is taken for calcd's."""
    run = tmp_path / "run"
    with Calcd(tmp_path, pidfile=run / "calcd.pid", prefix=WITHOUT_RIGHTS) as calcd:
        run.chmod(0o555)
        calcd.signal(signal.SIGTERM)
        calcd.wait_until_gone()
        assert calcd.pidfile.read_text() == ""
        run.chmod(0o755)
        assert calcd.start().returncode == 0
        calcd.signal(signal.SIGTERM)


def test_a_folder_that_lets_only_the_file_itself_be_written_is_refused(tmp_path: Path) -> None:
    """The socket by which calcd --reload speaks to calcd stands beside the pidfile."""
    run = tmp_path / "run"
    run.mkdir()
    calcd = Calcd(tmp_path, pidfile=run / "calcd.pid", prefix=WITHOUT_RIGHTS)
    calcd.pidfile.touch()
    run.chmod(0o555)
    assert refusal(calcd, 77) == (
        f"calcd: control socket {calcd.pidfile}.control: Permission denied: give another path with --pidfile"
    )


def test_removing_it_does_not_let_two_serve_one_address(tmp_path: Path) -> None:
    """Then nothing but the address tells that one runs."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with Calcd(tmp_path / "first") as first:
        first.expected.append(GONE)
        first.pidfile.unlink()
        host, port = first.address
        second = Calcd(tmp_path / "second", pidfile=first.pidfile, listen=[f"{host}:{port}"])
        assert refusal(second, 69).startswith(f"calcd: cannot listen on {host}:{port}: ")
        assert serves(first)


def test_whoever_takes_the_place_of_a_removed_one_keeps_it(tmp_path: Path) -> None:
    """Serving another address, it runs beside the first, which leaves nothing of it alone when it stops."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with Calcd(tmp_path / "first") as first:
        first.expected.append(GONE)
        first.pidfile.unlink()
        with Calcd(tmp_path / "second", pidfile=first.pidfile) as second:
            first.signal(signal.SIGTERM)
            first.wait_until_gone()
            assert second.pidfile.read_text() == f"{second.supervisor.pid}\n"
            assert second.reload().returncode == 0
            second.signal(signal.SIGTERM)
            second.wait_until_gone()
            assert os.listdir(first.folder) == os.listdir(second.folder)


def test_after_kill_9_of_the_supervisor_a_new_start_works_at_once(tmp_path: Path) -> None:
    with Calcd(tmp_path, listen=[f"{own_address()}:7070"]) as calcd:
        for _ in range(5):
            session = calcd.session
            os.kill(calcd.supervisor.pid, signal.SIGKILL)
            assert calcd.start().returncode == 0
            assert calcd.pidfile.read_text() == f"{calcd.supervisor.pid}\n"
            assert serves(calcd)
            wait_for_end(session)


def test_there_is_none_when_the_setting_is_empty(tmp_path: Path) -> None:
    with Calcd(tmp_path, "--pidfile", "", foreground=True) as calcd:
        assert serves(calcd)
        assert sorted(os.listdir(tmp_path)) == ["calcd.conf", "log"]


def test_twenty_starts_at_once_give_one_daemon_and_nineteen_refusals(tmp_path: Path) -> None:
    pidfile = tmp_path / "calcd.pid"
    for round_ in range(5):
        starts = []
        for number in range(20):
            folder = tmp_path / f"{round_}.{number}"
            folder.mkdir()
            starts.append(Calcd(folder, pidfile=pidfile))
        for start in starts:
            start.launch()
        statuses = [start.outcome().returncode for start in starts]
        assert sorted(statuses) == [0] + 19 * [75]
        winner = starts.pop(statuses.index(0))
        for start in starts:
            (message,) = start.log()
            assert re.fullmatch(
                rf"calcd: calcd is running already: pidfile {pidfile} is held by "
                rf"(PID {winner.supervisor.pid}|one that is just starting); stop that one first, or give "
                "this one another --pidfile and --listen",
                message,
            )
        assert serves(winner)
        winner.stop()
        assert not pidfile.exists()
