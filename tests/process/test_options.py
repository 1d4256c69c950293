"""The options that ask for something other than a start."""

import re
import subprocess
from pathlib import Path

from support.daemon import COMMAND, TREE

import calcd
from calcd.settings import reading
from calcd.settings.table import ROWS
from calcd.supervisor.failure import MEANINGS, ExitStatus


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], cwd=TREE, capture_output=True, text=True, check=False)


def test_check_is_silent_when_all_is_well(tmp_path: Path) -> None:
    file = tmp_path / "calcd.conf"
    file.write_text("[calcd]\nListen=127.0.0.1:7071 unix:/run/calcd.sock\nDrainTime=1min 30s\n")
    result = run("--check", "--config", str(file))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_check_says_what_is_wrong_and_where(tmp_path: Path) -> None:
    file = tmp_path / "calcd.conf"
    file.write_text("[calcd]\nListen=127.0.0.1\nDrianTime=1s\n")
    folder = tmp_path / "calcd.conf.d"
    folder.mkdir()
    (folder / "log.conf").write_text("[calcd]\n\nLogLevel=loud\n")
    result = run("--check", "--config", str(file))
    assert (result.returncode, result.stdout) == (78, "")
    assert result.stderr.splitlines() == [
        f"calcd: {file}:2: Listen: '127.0.0.1' is not an address: write IPV4:PORT, [IPV6]:PORT or unix:/PATH",
        f"calcd: {file}:3: unknown setting 'DrianTime': the nearest is 'DrainTime'",
        f"calcd: {folder}/log.conf:3: LogLevel: 'loud' is none of debug, info, notice, warning, err",
    ]


def test_check_looks_at_names_and_at_options_too(tmp_path: Path) -> None:
    file = tmp_path / "calcd.conf"
    file.write_text("[calcd]\nUser=no-such-user\n")
    result = run("--check", "--config", str(file))
    assert result.returncode == 67
    assert result.stderr.startswith("calcd: there is no user 'no-such-user': ")
    result = run("--check", "--log-level", "loud")
    assert result.returncode == 64
    assert result.stderr.startswith("calcd: --log-level: 'loud' is none of ")


def test_check_does_not_touch_a_calcd_that_runs(tmp_path: Path) -> None:
    """Nor does it need the address or the pidfile to be free."""
    file = tmp_path / "calcd.conf"
    pidfile = tmp_path / "calcd.pid"
    file.write_text(f"[calcd]\nPidFile={pidfile}\nListen=192.0.2.1:1\n")
    assert run("--check", "--config", str(file)).returncode == 0
    assert not pidfile.exists()


def test_what_is_dumped_can_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "calcd.conf"
    file.write_text("[calcd]\nListen=[::0001]:7071 127.0.0.1:0\nDrainTime=90s\nPidFile=\n")
    first = run("--dump-config", "--config", str(file))
    assert first.returncode == 0
    assert "Listen=[::1]:7071\nListen=127.0.0.1:0\n" in first.stdout
    assert "DrainTime=1min 30s\n" in first.stdout
    again = tmp_path / "again.conf"
    again.write_text(first.stdout)
    assert run("--dump-config", "--config", str(again)).stdout == first.stdout
    assert reading.load(again) == reading.load(file)


def test_an_option_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / "calcd.conf"
    file.write_text("[calcd]\nListen=127.0.0.1:7071\nLogLevel=debug\nLogTarget=syslog\n")
    options = ("--listen", "127.0.0.1:7072", "--listen", "[::1]:7072", "--log-level", "err", "--user", "root")
    dumped = run("--dump-config", "--config", str(file), *options).stdout.splitlines()
    assert [line for line in dumped if line.startswith("Listen=")] == [
        "Listen=127.0.0.1:7072",
        "Listen=[::1]:7072",
    ]
    assert {"LogLevel=err", "LogTarget=syslog", "User=root"} <= set(dumped)


def test_version() -> None:
    result = run("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"calcd {calcd.__version__}\n", "")


def test_help_names_every_option_and_every_exit_status() -> None:
    result = run("--help")
    assert (result.returncode, result.stderr) == (0, "")
    options = ["--config", "--foreground", "--check", "--dump-config", "--reload", "--version", "-h, --help"]
    options += [setting.option for setting in ROWS.values() if setting.option]
    for option in options:
        assert re.search(rf"^  {option}\b", result.stdout, re.MULTILINE), option
    for status in ExitStatus:
        assert re.search(rf"^  {status:2}  {MEANINGS[status]}$", result.stdout, re.MULTILINE), status
