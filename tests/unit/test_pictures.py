"""The pictures of docs/architecture.md: make docs has drawn them from what is in docs/pictures now."""

import hashlib
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PICTURES = sorted(path.stem for path in (DOCS / "pictures").glob("*.dot"))
RECORDING = "calc-client"  # tests/process/test_recording.py looks at it


def test_each_picture_is_drawn_and_nothing_else_is() -> None:
    assert PICTURES
    assert sorted(path.stem for path in DOCS.glob("*.svg")) == sorted([*PICTURES, RECORDING])


@pytest.mark.parametrize("name", PICTURES)
def test_a_drawing_is_of_what_its_source_says_now(name: str) -> None:
    # Not drawn again and compared: each version of Graphviz draws a little differently.
    origins = re.findall(r"<!-- sha256 of pictures/(\S+): (\w+) -->", (DOCS / f"{name}.svg").read_text())
    digest = hashlib.sha256((DOCS / "pictures" / f"{name}.dot").read_bytes()).hexdigest()
    assert origins == [(f"{name}.dot", digest)], "draw it anew: make docs"


def test_the_document_shows_each_picture_once_and_says_in_words_what_it_shows() -> None:
    shown = re.findall(r"!\[([^\]]*)\]\((\S+)\)", (DOCS / "architecture.md").read_text())
    assert sorted(file for _, file in shown) == [f"{name}.svg" for name in PICTURES]
    assert all(words.strip() for words, _ in shown)
