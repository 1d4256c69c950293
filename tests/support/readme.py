"""The commands and programs that the README, and other documents, show."""

import re
from pathlib import Path

_TREE = Path(__file__).parents[2]


def blocks(language: str, section: str = "", *, document: str = "README.md") -> list[str]:
    """The blocks of one language, in order, of the section with this heading or of all."""
    text = (_TREE / document).read_text()
    if section:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
