"""What is said to help where a package is missing."""

import sys

import pytest

from calcd.supervisor.dependencies import NEEDED, SECCOMP, remedy


def test_for_debians_python_it_is_debians_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert remedy(SECCOMP) == "apt-get install python3-seccomp"


def test_a_virtual_environment_has_to_see_debians_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/srv/venv")
    assert remedy(SECCOMP) == (
        "the virtual environment /srv/venv does not see Debian's packages: apt-get install python3-seccomp, "
        "and make it anew with /usr/bin/python3 -m venv --system-site-packages"
    )


def test_a_python_that_is_not_debians_does_not_find_debians_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(sys, "executable", "/opt/python/bin/python3")
    assert remedy(SECCOMP) == (
        "apt-get install python3-seccomp, and run calcd with /usr/bin/python3, which it is for"
    )


def test_what_the_daemon_needs_comes_with_the_extra_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/python/bin/python3")
    monkeypatch.setattr(sys, "prefix", "/srv/venv")
    assert remedy(*NEEDED) == "/srv/venv/bin/pip install 'calcd[daemon]'"
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert remedy(*NEEDED) == (
        "apt-get install python3-daemon python3-systemd, and run calcd with /usr/bin/python3, which it is "
        "for, or /opt/python/bin/python3 -m pip install 'calcd[daemon]'"
    )
