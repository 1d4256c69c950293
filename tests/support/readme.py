"""The commands and programs that the README shows."""

import re
from pathlib import Path

_TEXT = (Path(__file__).parents[2] / "README.md").read_text()


def blocks(language: str, section: str = "") -> list[str]:
    """The blocks of one language, in order, of the section with this heading or of all."""
    text = _TEXT.partition(f"\n## {section}\n")[2].partition("\n## ")[0] if section else _TEXT
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
