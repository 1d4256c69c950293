"""The documents name what exists: folders, modules, and each other."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import calcd

TREE = Path(__file__).parents[2]
PACKAGE = Path(calcd.__file__).parent
DOCUMENTS = sorted([*TREE.glob("*.md"), *TREE.glob("docs/**/*.md")])
ARCHITECTURE = TREE / "docs" / "architecture.md"
SOURCES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted({source.parent for source in SOURCES} - {PACKAGE})

# Names of files that look like those of modules: calcd.conf, calcd.socket.
NOT_MODULES = {"conf", "service", "socket", "target", "container", "pid"}


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE.parent if path.is_relative_to(PACKAGE) else TREE))


def prose_of(source: Path) -> Iterator[str]:
    """A module's comments and docstrings."""
    text = source.read_text()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


def missing_paths(text: str) -> list[str]:
    """The paths like calcd/log and calcd/log/log.py that lead to nothing; /etc/calcd/... is none of them."""
    named = re.findall(r"(?<![\w./-])calcd/[\w/]+(?:\.py)?", text)
    return [path for path in named if not (PACKAGE.parent / path).exists()]


def missing_modules(text: str) -> list[str]:
    """The names like calcd.log and calcd.log.log.Log that are those of no module, nor of anything in one."""
    named = re.findall(r"(?<![\w./-])calcd(?:\.[A-Za-z_]\w*)+", text)
    return [name for name in named if name.split(".")[1] not in NOT_MODULES and not is_there(name)]


def is_there(name: str) -> bool:
    path = PACKAGE
    for part in name.split(".")[1:]:
        if (path / part).is_dir():
            path /= part
        elif (path / f"{part}.py").is_file():
            path /= f"{part}.py"
        else:
            file = path if path.is_file() else path / "__init__.py"
            return re.search(rf"\b{part}\b", file.read_text()) is not None
    return True


def rows(text: str) -> Iterator[tuple[Path, str]]:
    """The rows of the tables of folders and modules, each with the folder that it is about."""
    within = PACKAGE
    for line in text.splitlines():
        if heading := re.match(r"#+ (?:Within (\S+))?", line):
            within = PACKAGE.parent / heading[1] if heading[1] else PACKAGE
        elif row := re.match(r"\| `(?:calcd/)?([\w/]+)` \|", line):
            yield within / row[1], line
        elif line.startswith("| `"):
            yield within, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_a_document_names_what_exists(document: Path) -> None:
    text = document.read_text()
    assert missing_paths(text) == []
    assert missing_modules(text) == []


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_a_modules_comments_name_what_exists(source: Path) -> None:
    text = "\n".join(prose_of(source))
    assert missing_paths(text) == []
    assert missing_modules(text) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_lintian_takes_none_of_its_lines_for_a_program(document: Path) -> None:
    """very-long-line-length-in-source-file"""
    assert max(map(len, document.read_text().splitlines())) <= 512


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_its_links_lead_to_files_that_exist(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_the_architecture_has_a_row_for_each_folder(folder: Path) -> None:
    assert folder in [about for about, _ in rows(ARCHITECTURE.read_text())]


def test_the_architecture_puts_each_module_into_its_folder() -> None:
    named = [
        (about, module)
        for about, row in rows(ARCHITECTURE.read_text())
        for module in re.findall(r"`(\w+\.py)`", row)
    ]
    assert len(named) > 50
    assert [f"{about}/{module}" for about, module in named if not (about / module).is_file()] == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("calcd/config.py and /etc/calcd/calcd.conf", ["calcd/config.py"]),
        ("calcd/log/log.py, `calcd/log/`, calcd/listener.", []),
        ("calcd.limits, calcd.log.log.Log, calcd.conf(5), calcd.socket", ["calcd.limits"]),
        ("calcd.log.messages.NO_SUCH", ["calcd.log.messages.NO_SUCH"]),
    ],
)
def test_it_finds_what_does_not_exist(text: str, missing: list[str]) -> None:
    assert missing_paths(text) + missing_modules(text) == missing
