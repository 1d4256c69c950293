"""Whether the system has room for as many connections as the settings allow."""

import math
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from calcd.supervisor import system_limits
from calcd.supervisor.health import process_limits

Group = Callable[[str, str], None]


@pytest.fixture
def group(tmp_path: Path) -> Group:
    """Puts this process in control groups a/b of version 2, below tmp_path; sets pids.max of one."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/a/b\n")
    (tmp_path / "sys/fs/cgroup/a/b").mkdir(parents=True)

    def set_limit(name: str, limit: str) -> None:
        (tmp_path / "sys/fs/cgroup" / name / "pids.max").write_text(f"{limit}\n")

    return set_limit


def test_the_tightest_limit_is_named(group: Group, tmp_path: Path) -> None:
    group("a", "500")
    group("a/b", "600")
    found = process_limits.shortage(1000, tmp_path)
    assert found is not None
    assert (found.limit, found.allowed) == ("pids.max of its control group", 500)


@pytest.mark.parametrize(
    ("lines", "is_unit"),
    [
        ("0::/system.slice/calcd.service\n", True),
        ("0::/system.slice/system-calcd.slice/calcd@blue.service\n", True),
        ("8:pids:/system.slice/calcd.service\n1:name=systemd:/system.slice/calcd.service\n0::/\n", True),
        ("0::/\n", False),
        ("0::/system.slice/docker-0123456789ab.scope\n", False),
        ("0::/system.slice/calcd.service/libpod-payload-0123456789ab\n", False),
        ("0::/user.slice/user-1000.slice/session-1.scope\n", False),
        ("", False),
    ],
)
def test_the_words_of_systemd_are_for_its_services(tmp_path: Path, lines: str, is_unit: bool) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(lines)
    words = "\n".join(system_limits.words(tmp_path))
    assert ("TasksMax=" in words, "LimitNOFILE=" in words, "the unit" in words) == (is_unit,) * 3


def test_limits_that_suffice_are_not_named(group: Group, tmp_path: Path) -> None:
    group("a/b", "1003")
    group("a", "max")
    assert process_limits.shortage(1000, tmp_path) is None
    assert process_limits.shortage(1001, tmp_path) is not None


def test_cgroups_of_version_1_count(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("8:pids:/a\n1:name=systemd:/a\n")
    (tmp_path / "sys/fs/cgroup/pids/a").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/pids/a/pids.max").write_text("10\n")
    assert process_limits.shortage(1000, tmp_path) is not None


def test_the_machines_own_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/pid_max").write_text("32768\n")
    assert process_limits.shortage(1000, tmp_path) is None
    found = process_limits.shortage(40_000, tmp_path)
    assert found is not None
    assert found.limit == "kernel.pid_max"


def test_no_limit_of_connections_leaves_it_to_the_system(group: Group, tmp_path: Path) -> None:
    group("a/b", "10")
    assert process_limits.shortage(math.inf, tmp_path) is None


def test_what_cannot_be_read_does_not_count(tmp_path: Path) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    assert soft == resource.RLIM_INFINITY or soft > 10
    assert process_limits.shortage(5, tmp_path) is None
