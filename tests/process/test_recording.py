"""The README's recording of calc-client: docs/calc-client.svg."""

import re
from pathlib import Path

from recording.session import DRAWING, drawn_lines, lines_of, play
from support.daemon import TREE


def test_it_shows_what_calc_client_prints_now(tmp_path: Path) -> None:
    assert drawn_lines(DRAWING.read_text()) == lines_of(play(tmp_path)), "draw it anew: make docs"


def test_it_is_small_and_takes_nothing_from_elsewhere() -> None:
    svg = DRAWING.read_text()
    assert len(svg) < 60_000
    assert re.findall(r"<script|@import|@font-face|href|url\((?!#)", svg) == []


def test_the_readme_shows_it_and_says_in_words_what_it_shows() -> None:
    shown = re.findall(r"!\[([^\]]*)\]\((\S+)\)", (TREE / "README.md").read_text())
    (words,) = [words for words, file in shown if file == str(DRAWING.relative_to(TREE))]
    assert words.strip()
