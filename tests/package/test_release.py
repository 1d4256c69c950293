"""make release, in clones of this tree."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.processes import DEADLINE
from system.machine import TREE

from calcd import __version__

NEXT = int(__version__.partition(".")[0]) + 1
VERSION = f"{NEXT}.9.0"
TAG = f"v{VERSION}"
RELEASE = f"make release VERSION={VERSION} CHECK="
FILES = ["CHANGELOG.md", "calcd/__init__.py", "packaging/debian/changelog"]
# What is in a tree that is in use, and is not committed.
UNCOMMITTED = shutil.ignore_patterns(".git", "build", "dist", "__pycache__", ".*_cache", ".hypothesis")


class Clone:
    """A clone of the tree. Settings of this machine, or of a make that runs the tests, do not hold in it."""

    def __init__(self, folder: Path, configuration: Path) -> None:
        self.folder = folder
        self._environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TZ": "AHEAD-24",  # where it is another day than in UTC
            "GIT_CONFIG_GLOBAL": str(configuration),
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=self.folder,
            env=self._environment,
            start_new_session=True,  # for tests that kill all of its processes
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def output(self, command: str) -> str:
        """What it prints, without the last newline."""
        done = self.run(command)
        assert (done.returncode, done.stderr) == (0, ""), f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout.rstrip("\n")

    def read(self, file: str) -> str:
        return (self.folder / file).read_text()

    def add_entry(self, text: str) -> None:
        changelog = self.read("CHANGELOG.md")
        added = changelog.replace("## [Unreleased]\n", f"## [Unreleased]\n\n### Fixed\n\n- {text}\n", 1)
        (self.folder / "CHANGELOG.md").write_text(added)
        self.output(f"git commit -q -a -m '{text}'")

    def add_hook(self, command: str) -> None:
        """What git does before each commit."""
        hook = self.folder / ".git/hooks/pre-commit"
        hook.write_text(f"#!/bin/sh\n{command}\n")
        hook.chmod(0o755)

    def state(self) -> str:
        """All that a release changes."""
        return self.output(
            "git log -1 --format='%D %H'; git for-each-ref; git status --porcelain; git diff HEAD; "
            "git worktree list --porcelain; find build"
        )


@pytest.fixture(scope="module")
def make_clone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Clone]:
    """Clones a repository that has what this tree has, and something to release."""
    folder = tmp_path_factory.mktemp("release")
    configuration = folder / "gitconfig"
    configuration.write_text("[user]\nname = Test\nemail = test@localhost\n[init]\ndefaultBranch = main\n")
    shutil.copytree(TREE, folder / "tree", ignore=UNCOMMITTED, symlinks=True)
    tree = Clone(folder / "tree", configuration)
    tree.output("git init -q; git add --all; git commit -q -m 'A tree'")
    tree.add_entry("It can be released.")

    def clone(into: Path) -> Clone:
        tree.output(f"git clone -q --bare . {into}/origin.git; git clone -q {into}/origin.git {into}/calcd")
        (into / "calcd/build").mkdir()
        return Clone(into / "calcd", configuration)

    return clone


@pytest.fixture
def clone(tmp_path: Path, make_clone: Callable[[Path], Clone]) -> Clone:
    return make_clone(tmp_path)


def refuse(clone: Clone, command: str = RELEASE) -> str:
    """What it says, as it makes no release and changes nothing."""
    before = clone.state()
    refused = clone.run(command)
    assert refused.returncode != 0, refused.stdout
    assert clone.state() == before
    return refused.stderr


def test_it_is_one_commit_and_an_annotated_tag(clone: Clone) -> None:
    head = clone.output("git rev-parse HEAD")
    clone.output(RELEASE)
    assert clone.output("git status --porcelain --branch") == "## main...origin/main [ahead 1]"
    assert clone.output("git log -1 --format='%P %an %s'") == f"{head} Test Release {VERSION}"
    assert clone.output("git diff --name-only HEAD~").splitlines() == FILES
    tags = clone.output("git for-each-ref --format='%(refname:strip=2) %(objecttype)' refs/tags")
    assert tags == f"{TAG} tag"
    assert clone.output(f"git rev-parse {TAG}^0") == clone.output("git rev-parse HEAD")
    assert len(clone.output("git worktree list").splitlines()) == 1
    assert clone.output("ls -A build") == ""


def test_it_sets_the_version_and_dates_both_changelogs(clone: Clone) -> None:
    changelog, module, debian_changelog = map(clone.read, FILES)
    start = int(time.time())
    clone.output(RELEASE)
    assert clone.read("calcd/__init__.py") == module.replace(f'"{__version__}"', f'"{VERSION}"')

    assert clone.read("packaging/debian/changelog").endswith(f"\n\n{debian_changelog}")
    version, distribution, maintainer, timestamp = (
        clone.output(f"dpkg-parsechangelog -l packaging/debian/changelog -S {field}")
        for field in ("Version", "Distribution", "Maintainer", "Timestamp")
    )
    assert (version, distribution) == (f"{VERSION}-0upstream1", "unstable")
    assert clone.read("packaging/debian/changelog").splitlines()[4].endswith(" +0000")
    assert f"\nMaintainer: {maintainer}\n" in clone.read("packaging/debian/control")
    assert start <= int(timestamp) <= time.time()
    clone.output(f"dpkg --compare-versions {version} gt {__version__}-0upstream1")

    day = time.strftime("%Y-%m-%d", time.gmtime(int(timestamp)))
    released = f"## [Unreleased]\n\n## [{VERSION}] - {day}\n"
    assert clone.read("CHANGELOG.md") == changelog.replace("## [Unreleased]\n", released)


def test_the_tests_of_versions_pass_afterwards(clone: Clone) -> None:
    clone.output(RELEASE)
    said = clone.output(f"{sys.executable} -B -m pytest -p no:cacheprovider tests/package/test_versions.py")
    assert re.search(r" [1-9]\d* passed in ", said)


def test_the_next_release_takes_entries_of_its_own(clone: Clone) -> None:
    clone.output(RELEASE)
    following = f"{NEXT}.10.0"
    release = f"make release VERSION={following} CHECK="
    message = 'CHANGELOG.md has no entry under "## [Unreleased]": say there what is new, and commit that'
    assert message in refuse(clone, release)
    clone.add_entry("A second release can be made.")
    clone.output(release)
    headings = re.findall(r"^## \[(.*)\]", clone.read("CHANGELOG.md"), re.MULTILINE)
    assert headings[:3] == ["Unreleased", following, VERSION]
    versions = clone.output("sed -n 's/^calcd (\\(.*\\)).*/\\1/p' packaging/debian/changelog").splitlines()
    assert versions[:2] == [f"{following}-0upstream1", f"{VERSION}-0upstream1"]
    clone.output(f"dpkg --compare-versions {versions[0]} gt {versions[1]}")


def test_it_says_what_to_push(clone: Clone) -> None:
    push, _ = re.findall("^    (.*)", clone.output(RELEASE), re.MULTILINE)
    assert push == f"git push --atomic origin main {TAG}"
    clone.output(push.replace("push", "push --quiet"))
    released = clone.output("git rev-parse HEAD")
    assert clone.output(f"git -C ../origin.git rev-parse main {TAG}^0") == f"{released}\n{released}"


def test_what_it_says_takes_it_back(clone: Clone) -> None:
    before = clone.state()
    _, take_back = re.findall("^    (.*)", clone.output(RELEASE), re.MULTILINE)
    assert clone.output(take_back).startswith(f"Deleted tag '{TAG}'")
    assert clone.state() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", f"VERSION is missing: make release VERSION=x.y.z, greater than {__version__}"),
        ("VERSION=", "VERSION is missing"),
        (f"VERSION={__version__}", f"VERSION={__version__} is not greater than {__version__}"),
        ("VERSION=0.0.0", f"VERSION=0.0.0 is not greater than {__version__}"),
        *(
            (f'VERSION="{text}"', f"VERSION={text} is not a version: give three numbers, as in 1.2.3")
            for text in (
                *(TAG, f"{NEXT}.0", f"{VERSION}.0", f"{NEXT}.09.0", f"{VERSION}-rc1", f"{NEXT}..0"),
                *(f"{VERSION}'; touch new; '", f"{VERSION}\n{VERSION}", f"{VERSION} "),
            )
        ),
    ],
)
def test_it_refuses_a_version_that_cannot_be_the_next(clone: Clone, arguments: str, message: str) -> None:
    assert f"packaging/release: {message}" in refuse(clone, f"make release {arguments} CHECK=")


def test_only_its_command_line_gives_the_version(clone: Clone) -> None:
    assert "VERSION is missing" in refuse(clone, f"VERSION={VERSION} make release CHECK=")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        ("echo >>README.md", "what is not committed: commit, stash or remove it\n M README.md\n"),
        ("git rm -q --cached LICENSE", "what is not committed: commit, stash or remove it\nD  LICENSE\n"),
        ("touch new", "what is not committed: commit, stash or remove it\n?? new\n"),
        ("git switch -q --detach", "no branch is checked out, and the release would be on none: git switch"),
        (f"git tag {TAG}", f"the tag {TAG} exists: give a greater VERSION, or git tag -d {TAG}"),
        (
            "sed -i 's/Unreleased/Next/' CHANGELOG.md; git commit -q -a -m Next",
            'CHANGELOG.md has no entry under "## [Unreleased]": say there what is new, and commit that',
        ),
        (
            "sed -i 's/__version__/VERSION/' calcd/__init__.py; git commit -q -a -m VERSION",
            'calcd/__init__.py has no line like __version__ = "1.2.3": mend that',
        ),
    ],
)
def test_it_refuses_a_tree_that_is_not_ready_before_the_checks(
    clone: Clone, prepare: str, message: str
) -> None:
    clone.output(prepare)
    assert message in refuse(clone, f"make release VERSION={VERSION} CHECK='touch checked'")


def test_it_refuses_what_is_no_repository(clone: Clone) -> None:
    clone.output("rm -r .git")
    refused = clone.run(RELEASE)
    assert refused.returncode != 0
    assert "this folder is not a git repository, and a release is a commit: make it in" in refused.stderr
    assert __version__ in clone.read("calcd/__init__.py")


def test_it_runs_every_check_and_test_first_unless_told_otherwise(clone: Clone) -> None:
    assert clone.output("make --dry-run release").endswith(" ./check")
    assert "\nmake release " in clone.output("make help")
    release = f"make release VERSION={VERSION}"
    message = "the tree does not pass false, so nothing is released: mend what that has said"
    assert message in refuse(clone, f"{release} CHECK=false")
    assert clone.output(f"{release} CHECK='echo all is well'").startswith("all is well\n")


@pytest.mark.parametrize("change", ["echo >>CHANGELOG.md", "git commit -q --allow-empty -m Meanwhile"])
def test_it_releases_nothing_when_the_tree_has_changed_since_the_checks(clone: Clone, change: str) -> None:
    (clone.folder / "build/change").write_text(change)
    clone.output(change)
    changed = clone.state()
    clone.output("git reset -q --hard origin/main")
    refused = clone.run(f"make release VERSION={VERSION} CHECK='bash -e build/change'")
    assert refused.returncode != 0
    assert "the tree has changed meanwhile, so nothing is released" in refused.stderr
    assert re.sub("[0-9a-f]{40}", "", clone.state()) == re.sub("[0-9a-f]{40}", "", changed)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("commit.gpgSign", "git has not made the commit, for the reason above, so nothing is released"),
        ("tag.gpgSign", "git has not made the tag, for the reason above, so nothing is released"),
    ],
)
def test_it_releases_nothing_when_git_cannot_sign(clone: Clone, key: str, message: str) -> None:
    clone.output(f"git config gpg.program false; git config {key} true")
    assert message in refuse(clone)
    clone.output(f"git config {key} false")
    clone.output(RELEASE)


def test_it_releases_nothing_when_it_is_ended(clone: Clone) -> None:
    clone.add_hook("kill -TERM 0")
    refuse(clone)


def test_one_that_was_killed_is_not_in_the_way_of_the_next(clone: Clone) -> None:
    before = clone.output("git for-each-ref; git status --porcelain")
    clone.add_hook("kill -KILL 0")
    assert clone.run(RELEASE).returncode != 0
    assert clone.output("ls build") == "release"
    assert clone.output("git for-each-ref; git status --porcelain") == before
    clone.add_hook("exit 0")
    clone.output(RELEASE)
    assert clone.output("ls -A build; git tag") == TAG
