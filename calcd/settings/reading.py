"""Reads the settings from configuration files and options.

One run finds all problems, and reports each with its file and line.
"""

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from calcd.settings import symlinks
from calcd.settings.table import ROWS, Settings

SECTION = "[calcd]"

_ATTRIBUTES = {setting.name: attribute for attribute, setting in ROWS.items()}


class Problem(NamedTuple):
    """One error in the settings, and its place."""

    source: str  # a file or a command line option
    line: int | None  # None for an option, and for a file that cannot be read
    message: str

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{where}: {self.message}"


class ConfigError(Exception):
    """The settings are not usable. problems lists every error, in the order of reading."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class _Assignment(NamedTuple):
    source: str
    line: int | None
    name: str
    text: str


class _Loader:
    """Collects values and problems. It continues after a problem, so that one run reports them all."""

    def __init__(self, *, is_for_service: bool) -> None:
        """is_for_service: see calcd.settings.symlinks."""
        self._is_for_service = is_for_service
        self.problems: list[Problem] = []
        self.values: dict[str, Any] = {}

    def problem(self, source: str | Path, line: int | None, message: str) -> None:
        self.problems.append(Problem(str(source), line, message))

    def _remedy(self, path: Path) -> str:
        return symlinks.remedy(path, is_for_service=self._is_for_service)

    def load_file(self, path: Path, *, required: bool = True) -> bool:
        """Returns False if the file does not exist, which is a problem only if it is required."""
        try:
            data = path.read_bytes()
        except OSError as error:
            if isinstance(error, FileNotFoundError) and symlinks.leads_nowhere(path.parent):
                # For the service there is no such folder, so only the administrator can be told.
                folder = path.parent
                self.problem(folder, None, f"cannot be read: {error.strerror}{symlinks.remedy(folder)}")
                return True
            missing = isinstance(error, FileNotFoundError) and not os.path.islink(path)
            if required or not missing:
                self.problem(path, None, f"cannot be read: {error.strerror}{self._remedy(path)}")
            return not missing
        self.load_text(path, data)
        return True

    def load_drop_ins(self, folders: Sequence[Path]) -> None:
        """Loads *.conf of all folders, sorted by name. A file masks those of the same name in earlier
        folders."""
        found: dict[str, Path] = {}
        for folder in folders:
            try:
                entries = list(folder.iterdir())
            except OSError as error:
                if not isinstance(error, FileNotFoundError) or os.path.islink(folder):
                    self.problem(folder, None, f"cannot be read: {error.strerror}{self._remedy(folder)}")
                continue
            # Hidden files are left out, as by the shell's *.conf: most likely they are an editor's.
            found |= {e.name: e for e in entries if e.name.endswith(".conf") and not e.name.startswith(".")}
        for _, path in sorted(found.items()):
            self.load_file(path)

    def load_text(self, path: Path, data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            self.problem(path, data.count(b"\n", 0, error.start) + 1, "is not UTF-8")
            return
        if text.startswith("\N{BYTE ORDER MARK}"):
            self.problem(path, 1, "starts with a byte order mark: save the file as UTF-8 without one")
            return
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            self.problem(path, line, "has a NUL character: it is not a text file")
            return
        for assignment in self.assignments(path, text):
            self.assign(assignment)

    def assignments(self, path: Path, text: str) -> Iterator[_Assignment]:
        """Yields the assignments in a file.

        configparser reads this syntax too, but it gives no line numbers, stops at the first problem, and
        keeps only the last of several assignments to a key.
        """
        section = None
        # Not splitlines(): it also ends lines at form feeds and the like, which editors do not.
        for number, raw in enumerate(text.split("\n"), start=1):
            line = raw.strip()
            if not line or line[0] in "#;":
                continue
            if line[0] == "[":
                section = line
                if section != SECTION:
                    self.problem(path, number, f"unknown section {line}: the only one is {SECTION}")
                continue
            name, equals, value = line.partition("=")
            name = name.rstrip()
            if not (name and equals):
                self.problem(path, number, f"{line!r} is not an assignment: write Name=value")
                continue
            if section is None:
                self.problem(path, number, f"an assignment before any section: write {SECTION} above it")
                section = SECTION  # reported once; the rest of the file is read
            if section == SECTION:
                yield _Assignment(str(path), number, name, value)

    def assign(self, assignment: _Assignment) -> None:
        source, line, name, raw = assignment
        attribute = _ATTRIBUTES.get(name)
        if attribute is None:
            names = {known.lower(): known for known in _ATTRIBUTES}
            nearest = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0)[0]
            self.problem(source, line, f"unknown setting {name!r}: the nearest is {names[nearest]!r}")
            return
        setting = ROWS[attribute]
        text = raw.strip()
        try:
            # Unprintable text could not be dumped and read again. Tabs are allowed: they separate words.
            if not text.replace("\t", " ").isprintable():
                raise ValueError(f"{text!r} has a character that cannot be printed")
            value = setting.parse(text)
        except ValueError as error:
            self.problem(source, line, f"{name}: {error}" if line else str(error))
            return
        if setting.repeatable and text:
            # Duplicate elements are dropped: a socket cannot be bound twice.
            value = tuple(dict.fromkeys((*self.values.get(attribute, ()), *value)))
        self.values[attribute] = value


def read_texts(texts: Mapping[str, Sequence[str]]) -> Settings:
    """Returns the settings of calcd.settings.writing.texts(), perhaps of another version: names that this one
    does not know are left out. Raises ConfigError."""
    loader = _Loader(is_for_service=False)
    for name in texts.keys() & _ATTRIBUTES.keys():
        for text in texts[name]:
            loader.assign(_Assignment("the other calcd", None, name, text))
    if loader.problems:
        raise ConfigError(loader.problems)
    return Settings(**loader.values)


def load(
    config_file: Path | None = None,
    options: Mapping[str, Sequence[str]] | None = None,
    root: Path = Path("/"),
) -> Settings:
    """Returns the settings from the files, overridden by the options of calcd.launch.options.

    Without config_file, the files are /etc/calcd/calcd.conf, or /usr/lib/calcd/calcd.conf if that is missing,
    then calcd.conf.d/*.conf of both folders, sorted by name. A file in /etc masks one of the same name in
    /usr/lib. With config_file, the files are that one, then *.conf in the folder CONFIG_FILE.d. config_file
    must be absolute, because the working directory has changed by the time of a reload.

    Raises ConfigError.
    """
    loader = _Loader(is_for_service=symlinks.is_for_service(config_file, root))
    if config_file is None:
        vendor, local = root / "usr/lib/calcd/calcd.conf", root / "etc/calcd/calcd.conf"
        if not loader.load_file(local, required=False):
            loader.load_file(vendor, required=False)
        loader.load_drop_ins([Path(f"{vendor}.d"), Path(f"{local}.d")])
    else:
        loader.load_file(config_file)
        loader.load_drop_ins([Path(f"{config_file}.d")])
    for attribute, texts in (options or {}).items():
        setting = ROWS[attribute]
        loader.values.pop(attribute, None)
        for text in texts:
            loader.assign(_Assignment(str(setting.option), None, setting.name, text))
    if loader.problems:
        raise ConfigError(loader.problems)
    return Settings(**loader.values)
