"""The version is in three places that people read, and in one that counts: calcd/__init__.py."""

import re

from system.machine import TREE

from calcd import __version__


def test_the_debian_changelog_is_about_this_version() -> None:
    newest = (TREE / "packaging/debian/changelog").read_text().splitlines()[0]
    assert re.fullmatch(rf"calcd \({re.escape(__version__)}-\S+\) unstable; urgency=\w+", newest)


def test_the_changelog_has_this_version_on_top_or_what_comes_after_it() -> None:
    headings = re.findall("^## (.*)$", (TREE / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0].split()[0] in (__version__, "Unreleased")
