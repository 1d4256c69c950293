"""The version is in two changelogs that people read, and in one place that counts: calcd/__init__.py."""

import re

from system.machine import TREE

from calcd import __version__

NUMBER = "(?:0|[1-9][0-9]*)"
RELEASED = re.compile(rf"\[({NUMBER}\.{NUMBER}\.{NUMBER})\] - \d{{4}}-\d\d-\d\d")
GROUPS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def headings(level: str) -> list[str]:
    return re.findall(f"^{level} (.*)$", (TREE / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_debian_changelog_is_about_this_version() -> None:
    newest = (TREE / "packaging/debian/changelog").read_text().splitlines()[0]
    assert re.fullmatch(rf"calcd \({re.escape(__version__)}-\S+\) unstable; urgency=\w+", newest)


def test_the_changelog_has_what_comes_next_above_this_version() -> None:
    unreleased, *releases = headings("##")
    assert unreleased == "[Unreleased]"
    # Before the first release there is no other heading.
    versions = [match[1] for match in map(RELEASED.fullmatch, releases) if match]
    assert len(versions) == len(releases), "each is ## [x.y.z] - YYYY-MM-DD"
    assert versions[:1] in ([], [__version__])


def test_the_changelog_groups_its_entries_as_others_do() -> None:
    assert set(headings("###")) <= GROUPS
    below = re.split("^##+ .*\n", (TREE / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert {line[:2] for part in below[1:] for line in part.splitlines() if line} == {"- ", "  "}
